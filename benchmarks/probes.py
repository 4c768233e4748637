"""How soon /health and /metrics answer while 64 callers load the server: kubelet restarts what is silent for too long.

    .venv/bin/python -m benchmarks.probes --model DIR [--seconds 60] [--callers 64]

The callers are a process of their own, and so are the probes. The goal: 99 of 100 answers within 100 ms.
"""

import argparse
import asyncio
import multiprocessing
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import grpc
from riva.client.proto import riva_asr_pb2, riva_asr_pb2_grpc

from benchmarks.measure import machine, table
from benchmarks.report import RESULTS, Report
from benchmarks.serve_figures import percentile
from tests.support.models import RECORDINGS
from tests.unit.server.process import ServerProcess

GOAL_SECONDS = 0.100
PATHS = ("/health", "/metrics")
PAUSE_SECONDS = 0.02
_HEADERS = ("path", "answers", "p50 ms", "p95 ms", "p99 ms", "longest ms")


def call(address: str, callers: int, seconds: float) -> None:
    """Keep so many calls in flight; what cannot be answered at once comes again."""
    asyncio.run(_call(address, callers, time.monotonic() + seconds))


async def _call(address: str, callers: int, end: float) -> None:
    recordings = [path.read_bytes() for path in sorted(RECORDINGS.glob("en-*.flac"))]
    async with grpc.aio.insecure_channel(address) as channel:
        stub = riva_asr_pb2_grpc.RivaSpeechRecognitionStub(channel)

        async def caller(number: int) -> None:
            request = riva_asr_pb2.RecognizeRequest(config={"language_code": "en"})
            request.audio = recordings[number % len(recordings)]
            while time.monotonic() < end:
                await stub.Recognize(request)

        await asyncio.gather(*map(caller, range(callers)))


def probe(port: int, seconds: float) -> dict[str, list[float]]:
    """Ask one path after the other, and return how long each answer took."""
    took: dict[str, list[float]] = {path: [] for path in PATHS}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for path in PATHS:
            began = time.monotonic()
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
                answer.read()
            took[path].append(time.monotonic() - began)
            time.sleep(PAUSE_SECONDS)
    return took


def _row(path: str, seconds: Sequence[float]) -> list[str]:
    numbers = [*(percentile(seconds, percent) for percent in (50, 95, 99)), max(seconds)]
    return [path, f"{len(seconds)}", *(f"{1000 * number:.1f}" for number in numbers)]


def main() -> int:
    """Run it, write a table, and return 0 when the goal is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="a published artifact")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--output", type=Path, metavar="FILE", help="benchmarks/results/probes-DEVICE.md")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        arguments = ("--model", str(chosen.model.resolve()), "--device", chosen.device)
        with ServerProcess(Path(folder), *arguments) as server:
            address, port = server.address, int(server.line("loading ")["probe_port"])
            load = (address, chosen.callers, chosen.seconds)
            callers = multiprocessing.get_context("spawn").Process(target=call, args=load)
            callers.start()
            time.sleep(min(5.0, chosen.seconds / 4))
            took = probe(port, chosen.seconds * 0.7)
            callers.join()
    report = Report(chosen.output or RESULTS / f"probes-{chosen.device}.md")
    report.add(f"# Probes of a server that {chosen.callers} callers load, on {chosen.device}")
    report.add(f"{machine()}; for {chosen.seconds:.0f} s. Goal: 99 of 100 answers within {1000 * GOAL_SECONDS:.0f} ms.")
    report.add(table(_HEADERS, [_row(path, seconds) for path, seconds in took.items()]))
    return int(any(percentile(seconds, 99) > GOAL_SECONDS for seconds in took.values()))


if __name__ == "__main__":
    sys.exit(main())
