"""Write down a recording with NVIDIA's Riva client: its words with their times, and its language.

    pip install nvidia-riva-client
    python riva_recording.py HOST:50051 recording.mp3 [--language ko-KR] [--ca ca.pem --token-file token]

Any file that FFmpeg reads goes as it is, up to 64 MiB; transcribe.py sends larger ones piece by piece.
"""

import argparse
import json
import sys
from pathlib import Path

import grpc
import riva.client

WHAT_TO_DO = {
    grpc.StatusCode.UNAVAILABLE: "Is a server running there, and has it loaded its model? Does it want TLS (--tls)?",
    grpc.StatusCode.DEADLINE_EXCEEDED: "Raise --timeout, or try again when the server is there and has less to do.",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "If the server is busy, try again later; if the file is too large, send less.",
    grpc.StatusCode.UNAUTHENTICATED: "Give a token that the server knows, with --token-file.",
}


def service_config(timeout: float) -> str:
    """Return what gRPC does by itself: a deadline, tries while a server is away or busy, all servers in turn."""
    retries = {
        "maxAttempts": 5,
        "initialBackoff": "1s",
        "maxBackoff": "10s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
    }
    method = {"name": [{}], "timeout": f"{timeout:g}s", "retryPolicy": retries}
    return json.dumps({"loadBalancingConfig": [{"round_robin": {}}], "methodConfig": [method]})


def connect(options: argparse.Namespace) -> riva.client.ASRService:
    """Return the service; nothing is sent before its first call."""
    metadata = []
    if options.token_file:
        metadata = [["authorization", f"Bearer {options.token_file.read_text().strip()}"]]
    channel = [
        ("grpc.service_config", service_config(options.timeout)),
        # What may be sent again has to be kept; by default that is 256 KiB.
        ("grpc.per_rpc_retry_buffer_size", 64 * 1024 * 1024),
    ]
    return riva.client.ASRService(
        riva.client.Auth(
            uri=options.server,
            use_ssl=options.tls,
            ssl_root_cert=options.ca,
            metadata_args=metadata,
            options=channel,
        )
    )


def main() -> int:
    """Print what is said in a recording."""
    parser = argparse.ArgumentParser(description="Write down a recording.")
    parser.add_argument("server", help="HOST:PORT")
    parser.add_argument("recording", type=Path)
    parser.add_argument("--language", default="multi", help="such as en-US; left out to be detected")
    parser.add_argument("--timeout", type=float, default=600, help="seconds for the whole call, tries included")
    parser.add_argument("--tls", action="store_true", help="speak TLS")
    parser.add_argument("--ca", help="PEM file of the authority of the server's certificate; speaks TLS")
    parser.add_argument("--token-file", type=Path, help="file of the token that the server asks for; needs TLS")
    options = parser.parse_args()
    if options.token_file and not (options.tls or options.ca):
        parser.error("--token-file needs --tls or --ca: else anybody on the way could read the token")
    config = riva.client.RecognitionConfig(language_code=options.language, enable_word_time_offsets=True)
    try:
        response = connect(options).offline_recognize(options.recording.read_bytes(), config)
    except OSError as error:
        sys.exit(str(error))
    except grpc.RpcError as error:
        sys.exit(f"{error.code().name}: {error.details()}. {WHAT_TO_DO.get(error.code(), '')}")
    for result in response.results:
        best = result.alternatives[0]
        print(f"[{', '.join(best.language_code)}]{best.transcript}")
        for word in best.words:
            print(f"{word.start_time / 1000:7.2f} {word.end_time / 1000:7.2f} {word.word}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
