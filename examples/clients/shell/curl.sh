#!/usr/bin/env bash
# Writes down a recording with nothing but curl, at the endpoint that is as OpenAI's.
#
#   curl.sh http://HOST:8000 recording.mp3
#   curl.sh https://HOST:8000 recording.mp3 --cacert ca.pem --oauth2-bearer "$(cat token)" --form language=ko
#
# What comes behind the recording goes to curl. FORMAT is srt, vtt, text, json or verbose_json; TIMEOUT=600 says how many
# seconds it may take.
set -euo pipefail

if (($# < 2)); then
  echo "usage: $0 http://HOST:PORT RECORDING [curl's options]" >&2
  exit 2
fi
server=$1 recording=$2
shift 2
test -r "$recording" || { echo "$recording cannot be read" >&2; exit 1; }

# Tried again while the server is away, and when it says that it is busy, for as long as it says. The fields stand before
# the file: the server then works on a large one while it comes.
status=0
curl --silent --show-error --fail-with-body --max-time "${TIMEOUT:-600}" \
  --retry 4 --retry-connrefused --retry-max-time "${TIMEOUT:-600}" \
  --form model=whisper-1 --form response_format="${FORMAT:-srt}" "$@" --form "file=@$recording" \
  "$server/v1/audio/transcriptions" || status=$?

# curl exits with 22 for an answer that says no, and that is printed above.
case $status in
  7) echo "Is a server running there, and has it loaded its model? Does it want https?" >&2 ;;
  18 | 52 | 56) echo "The server went away meanwhile: run it again." >&2 ;;
  28) echo "Raise TIMEOUT, or try again when the server has less to do." >&2 ;;
esac
exit "$status"
