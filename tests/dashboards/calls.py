"""Calls to two servers, as people make them: live streams to one, uploads to the other, some of them wrong."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from riva.client.proto import riva_asr_pb2

from tests.soak.ways import recognize, transcribe, upload
from tests.support.models import RECORDINGS
from tests.unit.server.hostile import Target, code_of, target_of
from tests.unit.server.process import ServerProcess
from tests.unit.server.test_riva_stream import PCM, config, in_chunks, speech

_CHUNK_SECONDS = 0.1
_LIVE_STREAMS, _UPLOADS, _RUSH = 2, 2, 6

#: Calls a server once.
Call = Callable[[Target, random.Random], Coroutine[Any, Any, None]]


async def speak(target: Target, source: random.Random) -> None:
    """Stream speech as fast as it is spoken."""

    async def spoken() -> AsyncIterator[Any]:
        yield config(**PCM, language_code="en", interim_results=True)
        for chunk in in_chunks(speech().tobytes() * source.randint(1, 3)):
            yield chunk
            await asyncio.sleep(_CHUNK_SECONDS)

    async for _ in target.riva.StreamingRecognize(spoken()):
        pass


async def send(target: Target, source: random.Random) -> None:
    """Have a recording transcribed, over any of the front ends."""
    recording = source.choice(sorted(RECORDINGS.glob("*.flac")))
    await source.choice((recognize, transcribe, upload))(target, recording.read_bytes())


async def err(target: Target, source: random.Random) -> None:
    """Send what is no audio."""
    await code_of(target.riva.Recognize(riva_asr_pb2.RecognizeRequest(audio=source.randbytes(1_000))))


async def repeat(call: Call, target: Target, seed: int, *, pause: float, begin: float, end: float) -> None:
    """Call again and again between two moments of the loop's time, after a pause of so many seconds on average."""
    source, loop = random.Random(seed), asyncio.get_running_loop()
    await asyncio.sleep(begin - loop.time())
    while loop.time() < end:
        await call(target, source)
        await asyncio.sleep(source.uniform(0, 2 * pause))


async def call_for(seconds: float, live: ServerProcess, offline: ServerProcess) -> None:
    """Call both servers for so long; in the middle many come at once to the one for uploads."""
    async with target_of(live) as to_live, target_of(offline) as to_offline, asyncio.TaskGroup() as group:
        now = asyncio.get_running_loop().time()
        all_the_time, rush = (now, now + seconds), (now + 0.45 * seconds, now + 0.55 * seconds)
        people = [
            *[(speak, to_live, 3, all_the_time)] * _LIVE_STREAMS,
            *[(send, to_offline, 2, all_the_time)] * _UPLOADS,
            *[(send, to_offline, 0, rush)] * _RUSH,
            (err, to_offline, 8, all_the_time),
        ]
        for seed, (call, target, pause, (begin, end)) in enumerate(people):
            group.create_task(repeat(call, target, seed, pause=pause, begin=begin, end=end))
