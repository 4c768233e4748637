"""Transcribe recordings with NVIDIA's own Riva client, in a process of its own, and print one JSON object a line.

    python -m tests.support.riva_transcribe HOST:PORT LANGUAGE FILE…

A process of its own because the client brings a health_pb2 that collides with grpc_health's, and because that is how
people run it. It uses nothing of this project.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import grpc
import riva.client


def main(arguments: list[str]) -> int:
    """Transcribe every file; exit code 1 with the server's words when a call fails."""
    parser = argparse.ArgumentParser(description="Transcribe recordings with NVIDIA's Riva client.")
    parser.add_argument("server", help="HOST:PORT")
    parser.add_argument("language", help="a BCP-47 tag such as en-US")
    parser.add_argument("files", nargs="+", type=Path)
    options = parser.parse_args(arguments)
    service = riva.client.ASRService(riva.client.Auth(uri=options.server))
    config = riva.client.RecognitionConfig(language_code=options.language, max_alternatives=1)
    for file in options.files:
        began = time.monotonic()
        try:
            response = service.offline_recognize(file.read_bytes(), config)
        except grpc.RpcError as error:
            print(f"{file.name}: {error.code().name}: {error.details()}", file=sys.stderr)
            return 1
        transcript = "".join(result.alternatives[0].transcript for result in response.results if result.alternatives)
        seconds = round(time.monotonic() - began, 3)
        print(json.dumps({"file": file.name, "transcript": transcript.strip(), "seconds": seconds}, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
