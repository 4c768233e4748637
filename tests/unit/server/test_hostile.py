"""The real server with the real model under hostile inputs: it goes on serving, and keeps nothing of them."""

import asyncio
import random
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from riva.client.proto import riva_asr_pb2

from tests.support.held import Held
from tests.support.models import RECORDINGS, spoken_text
from tests.unit.server.hostile import HOST, attacked, is_defect, target_of
from tests.unit.server.process import ServerProcess
from tests.unit.server.waiting import until

pytestmark = pytest.mark.slow

INPUTS = 500
#: Sent before anything is measured: pools, codecs and caches fill once.
FIRST = 150
AT_A_TIME = 8
HALF_OPEN = 20
#: What an allocator may keep for itself.
SLACK_BYTES = 48 * 1024 * 1024
#: Pools that a busier moment filled further; a thread kept by one input in thirty would show.
SLACK_THREADS = 12


@pytest.fixture
def server(published_artifact: Path, tmp_path: Path) -> Iterator[ServerProcess]:
    arguments = ["--model", str(published_artifact), "--device", "cpu", "--cpu-threads", "1"]
    (tmp_path / "spool").mkdir()
    with ServerProcess(tmp_path, *arguments, environment={"TMPDIR": str(tmp_path / "spool")}) as process:
        yield process


async def attack(server: ServerProcess, seeds: range) -> Counter[str]:
    """Send one hostile input a seed, some at a time, and return how they were answered."""
    room = asyncio.Semaphore(AT_A_TIME)

    async def one(seed: int) -> str:
        async with room:
            return await attacked(target, random.Random(seed))

    async with target_of(server) as target:
        return Counter(await asyncio.gather(*map(one, seeds)))


def half_open(ports: list[int]) -> list[socket.socket]:
    """Open connections on which nothing comes, or half of something."""
    openings = (b"", b"PRI * HTTP/2.0\r\n\r\nSM", b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\n")
    connections = [socket.create_connection((HOST, ports[number % len(ports)])) for number in range(HALF_OPEN)]
    for number, connection in enumerate(connections):
        connection.sendall(openings[number % len(openings)])
    return connections


def troubles(server: ServerProcess) -> str:
    """Return what the log says of defects."""
    return "\n".join(line[:5_000] for line in server.log.splitlines() if '"ERROR"' in line or "Traceback" in line)


async def transcribe(server: ServerProcess) -> str:
    async with target_of(server) as target:
        request = riva_asr_pb2.RecognizeRequest(config={}, audio=(RECORDINGS / "en-02.flac").read_bytes())
        answer = await target.riva.Recognize(request)
    return str(answer.results[0].alternatives[0].transcript)


async def test_five_hundred_hostile_inputs_leave_it_serving_and_holding_nothing(
    server: ServerProcess, tmp_path: Path
) -> None:
    ready = server.line("ready")
    answers = await attack(server, range(FIRST))
    before = Held.by(server.process.pid)
    connections = half_open([ready["grpc_port"], ready["http_port"]])
    answers += await attack(server, range(FIRST, INPUTS))
    for connection in connections:
        connection.close()
    assert sum(answers.values()) == INPUTS
    bad = [answer for answer in answers if is_defect(answer)]
    assert not bad, f"{bad}\n{troubles(server)}"
    assert not troubles(server)
    assert await transcribe(server) == " " + spoken_text("en-02.flac")
    await until(lambda: Held.by(server.process.pid).files <= before.files)
    after = Held.by(server.process.pid)
    assert after.threads <= before.threads + SLACK_THREADS
    assert after.resident_bytes <= before.resident_bytes + SLACK_BYTES
    assert list((tmp_path / "spool").iterdir()) == []
    server.terminate()
    assert server.exit_code() == 0
