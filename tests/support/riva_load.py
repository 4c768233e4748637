"""Call a server with NVIDIA's own Riva client, over and over, until standard input ends; then tell what came of it.

    python -m tests.support.riva_load HOST:PORT LANGUAGE FILE [--callers 4] [--streams 1]

Callers send the file at once; streams send it bit by bit, and slowly. Prints `calling` once each caller has its first
answer and each stream is heard, and one JSON object at the end: how many calls and streams were answered, the different
transcripts, and what each one that failed was told. A process of its own for the same reasons as
riva_transcribe. It uses nothing of this project.
"""

import argparse
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import grpc
import riva.client

#: How long the file takes to send in a stream, which is open before servers go away and goes on as they do.
STREAM_SECONDS = 12.0
PIECES = 80


class Load:
    """What the callers share."""

    def __init__(self, callers: int) -> None:
        self.over = threading.Event()
        self.begun = threading.Barrier(callers + 1)
        self.heard: Counter[str] = Counter()
        self.streams = 0
        self.failed: list[str] = []


def call(load: Load, server: str, language: str, audio: bytes) -> None:
    """Be one caller, with a connection of its own."""
    service = riva.client.ASRService(riva.client.Auth(uri=server))
    config = riva.client.RecognitionConfig(language_code=language, max_alternatives=1)
    first = True
    while not load.over.is_set():
        try:
            response = service.offline_recognize(audio, config)
            load.heard[response.results[0].alternatives[0].transcript.strip()] += 1
        except grpc.RpcError as error:
            load.failed.append(f"{error.code().name}: {error.details()}")
        if first:
            load.begun.wait()
            first = False


def stream(load: Load, server: str, language: str, audio: bytes) -> None:
    """Be one caller who speaks, one stream after another."""
    service = riva.client.ASRService(riva.client.Auth(uri=server))
    config = riva.client.RecognitionConfig(language_code=language, max_alternatives=1)
    streaming = riva.client.StreamingRecognitionConfig(config=config, interim_results=False)
    first = True

    def pieces() -> Iterator[bytes]:
        nonlocal first
        size = -(-len(audio) // PIECES)
        for start in range(0, len(audio), size):
            yield audio[start : start + size]
            if first:
                load.begun.wait()
                first = False
            time.sleep(STREAM_SECONDS / PIECES)

    while not load.over.is_set():
        try:
            answers = service.streaming_response_generator(pieces(), streaming)
            finals = [result for answer in answers for result in answer.results if result.is_final]
            load.heard["".join(result.alternatives[0].transcript for result in finals).strip()] += 1
            load.streams += 1
        except grpc.RpcError as error:
            load.failed.append(f"in a stream: {error.code().name}: {error.details()}")


def main(arguments: list[str]) -> int:
    """Call until standard input ends."""
    parser = argparse.ArgumentParser(description="Call a server with NVIDIA's Riva client until standard input ends.")
    parser.add_argument("server", help="HOST:PORT")
    parser.add_argument("language", help="a BCP-47 tag such as en-US")
    parser.add_argument("file", type=Path)
    parser.add_argument("--callers", type=int, default=4)
    parser.add_argument("--streams", type=int, default=0)
    options = parser.parse_args(arguments)
    load, audio = Load(options.callers + options.streams), options.file.read_bytes()
    threads = [
        threading.Thread(target=target, args=(load, options.server, options.language, audio))
        for target in (call,) * options.callers + (stream,) * options.streams
    ]
    for thread in threads:
        thread.start()
    load.begun.wait()
    print("calling", flush=True)
    sys.stdin.read()
    load.over.set()
    for thread in threads:
        thread.join()
    told = {
        "answered": load.heard.total(),
        "streams": load.streams,
        "heard": sorted(load.heard),
        "failed": load.failed,
    }
    print(json.dumps(told, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
