#!/usr/bin/env bash
# Writes down a recording with nothing but grpcurl, which learns the protocol from the server by reflection.
#
#   grpcurl.sh HOST:50051 recording.mp3
#   grpcurl.sh HOST:50051 recording.mp3 -cacert ca.pem -H "authorization: Bearer $(cat token)"
#
# What comes behind the recording goes to grpcurl; nothing there means -plaintext. LANGUAGE_CODE=ko-KR says what is spoken,
# TIMEOUT=600 how many seconds it may take. grpcurl comes by `go install github.com/fullstorydev/grpcurl/cmd/grpcurl@latest`.
set -euo pipefail

if (($# < 2)); then
  echo "usage: $0 HOST:PORT RECORDING [grpcurl's options]" >&2
  exit 2
fi
server=$1 recording=$2
shift 2
if (($# == 0)); then
  set -- -plaintext
fi
test -r "$recording" || { echo "$recording cannot be read" >&2; exit 1; }

request() {
  printf '{"config": {"language_code": "%s", "enable_word_time_offsets": true}, "audio": "' "${LANGUAGE_CODE:-multi}"
  base64 <"$recording" | tr -d '\n'
  printf '"}'
}

status=0
request | grpcurl -connect-timeout 10 -max-time "${TIMEOUT:-600}" -d @ "$@" \
  "$server" nvidia.riva.asr.RivaSpeechRecognition/Recognize || status=$?

# grpcurl exits with 64 + gRPC's code, or with 1 when it gets no connection.
case $status in
  0) ;;
  1 | 78) echo "Is a server running there, and has it loaded its model? Does it want TLS (-cacert)?" >&2 ;;
  68) echo "Raise TIMEOUT, or try again when the server has less to do." >&2 ;;
  72) echo "If the server is busy, try again later; if the file is too large, send less." >&2 ;;
  80) echo "Give a token that the server knows: -H 'authorization: Bearer TOKEN'." >&2 ;;
esac
exit "$status"
