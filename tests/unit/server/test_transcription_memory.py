"""An hour of audio is taken in by a server process without keeping it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from whisper_server.api import transcription_pb2 as pb
from whisper_server.api.transcription_pb2_grpc import TranscriptionStub

pytestmark = pytest.mark.slow

TEN_SECONDS = bytes(10 * 2 * 16_000)
HOUR = 3_600
#: Beside what the process has when it begins: of 115 MB sent, 230 MB as the engine's numbers.
BOUND_KIB = 48 * 1024

#: A server that hears each block and says so, and keeps none.
PROGRAM = """
import asyncio, sys
from tests.unit.server.conftest import MODEL, loopback_settings, serving

async def main():
    async with serving(MODEL, loopback_settings()) as served:
        served.engine.echo = " So."
        print(served.port, flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


def requests(seconds: int) -> Iterator[pb.TranscribeRequest]:
    audio = pb.AudioFormat(encoding=pb.AUDIO_ENCODING_LINEAR_PCM, sample_rate_hertz=16_000)
    yield pb.TranscribeRequest(config=pb.TranscribeConfig(audio_format=audio))
    for _ in range(seconds // 10):
        yield pb.TranscribeRequest(audio=TEN_SECONDS)


def upload(stub: TranscriptionStub, seconds: int) -> pb.Summary:
    *_, last = stub.Transcribe(requests(seconds))
    assert isinstance(last.summary, pb.Summary)
    return last.summary


def peak_kib(process: int) -> int:
    """Return the most memory that a process has had so far."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


def test_an_hour_is_uploaded_in_bounded_memory() -> None:
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root) as server:
        assert server.stdout is not None
        with grpc.insecure_channel(f"127.0.0.1:{int(server.stdout.readline())}") as channel:
            stub = TranscriptionStub(channel)
            assert upload(stub, 60).audio_seconds == 60
            before = peak_kib(server.pid)
            assert upload(stub, HOUR).audio_seconds == HOUR
            grown = peak_kib(server.pid) - before
        assert server.stdin is not None
        server.stdin.close()
        assert server.wait(240) == 0
    assert grown < BOUND_KIB
