"""Write down a recording of any length with the server's own protocol, each segment as soon as it is ready.

    pip install grpcio protobuf grpcio-tools
    python -m grpc_tools.protoc -I server/proto --python_out=. --grpc_python_out=. whisper/v1/transcription.proto
    python transcribe.py HOST:50051 recording.mp3 [--language ko] [--ca ca.pem --token-file token]

The second line writes whisper/v1/*_pb2*.py beside this file.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
from whisper.v1 import transcription_pb2 as pb
from whisper.v1 import transcription_pb2_grpc

CHUNK_BYTES = 256 * 1024

WHAT_TO_DO = {
    grpc.StatusCode.UNAVAILABLE: "Is a server running there, and has it loaded its model? Does it want TLS (--tls)?",
    grpc.StatusCode.DEADLINE_EXCEEDED: "Raise --timeout, or try again when the server is there and has less to do.",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "If the server is busy, try again later; if the file is too large, send less.",
    grpc.StatusCode.UNAUTHENTICATED: "Give a token that the server knows, with --token-file.",
}

# Each call goes to the next of all servers that the address resolves to.
SERVICE_CONFIG = '{"loadBalancingConfig": [{"round_robin": {}}]}'
TRIES = 5


def connect(options: argparse.Namespace) -> Any:
    """Return a channel; nothing is sent before its first call."""
    channel = [("grpc.service_config", SERVICE_CONFIG)]
    if not (options.tls or options.ca):
        return grpc.insecure_channel(options.server, channel)
    credentials = grpc.ssl_channel_credentials(options.ca.read_bytes() if options.ca else None)
    if options.token_file:
        token = grpc.access_token_call_credentials(options.token_file.read_text().strip())
        credentials = grpc.composite_channel_credentials(credentials, token)
    return grpc.secure_channel(options.server, credentials, channel)


def requests(options: argparse.Namespace) -> Iterator[pb.TranscribeRequest]:
    """Yield the config, then the bytes of the recording."""
    speech = pb.SpeechOptions(language=options.language, word_times=True)
    yield pb.TranscribeRequest(config=pb.TranscribeConfig(speech=speech))
    with options.recording.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield pb.TranscribeRequest(audio=chunk)


def show(response: pb.TranscribeResponse) -> None:
    """Print the language, and each segment with the times of its words."""
    if response.HasField("language"):
        print(f"[{response.language.language}, {response.language.probability:.0%} sure]")
    if response.HasField("segment"):
        print(response.segment.text.strip())
        for word in response.segment.words:
            print(f"{word.start:7.2f} {word.end:7.2f}{word.text}", flush=True)


def transcribe(channel: Any, options: argparse.Namespace) -> None:
    """Show what is said; try again while the server is away or busy, as long as nothing has come back.

    gRPC's own retryPolicy is not for a stream in Python: it may lose the piece that is on its way when a try fails.
    """
    stub = transcription_pb2_grpc.TranscriptionStub(channel)
    for tried in range(TRIES):
        begun = False
        try:
            for response in stub.Transcribe(requests(options), timeout=options.timeout):
                begun = True
                show(response)
        except grpc.RpcError as error:
            pause = pause_before_retry(error, tried)
            if begun or pause is None:
                raise
            time.sleep(pause)
        else:
            return


def pause_before_retry(error: grpc.RpcError, tried: int) -> float | None:
    """Return for how many seconds to wait, as the server says or ever longer; None when to try again cannot help."""
    if tried + 1 == TRIES:
        return None
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-retry-pushback-ms":
            return int(value) / 1000
    return 2.0**tried if error.code() is grpc.StatusCode.UNAVAILABLE else None


def main() -> int:
    """Print what is said in a recording."""
    parser = argparse.ArgumentParser(description="Write down a recording.")
    parser.add_argument("server", help="HOST:PORT")
    parser.add_argument("recording", type=Path)
    parser.add_argument("--language", default="", help="such as en or ko; left out to be detected")
    parser.add_argument("--timeout", type=float, default=3600, help="seconds for each try")
    parser.add_argument("--tls", action="store_true", help="speak TLS")
    parser.add_argument("--ca", type=Path, help="PEM file of the authority of the server's certificate; speaks TLS")
    parser.add_argument("--token-file", type=Path, help="file of the token that the server asks for; needs TLS")
    options = parser.parse_args()
    if options.token_file and not (options.tls or options.ca):
        parser.error("--token-file needs --tls or --ca: else anybody on the way could read the token")
    if not options.recording.is_file():
        parser.error(f"{options.recording} is not a file")
    try:
        with connect(options) as channel:
            transcribe(channel, options)
    except grpc.RpcError as error:
        sys.exit(f"{error.code().name}: {error.details()}. {WHAT_TO_DO.get(error.code(), '')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
