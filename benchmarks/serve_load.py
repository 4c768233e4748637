"""The callers of `benchmarks.serve`, in a process of their own: Riva's Recognize and StreamingRecognize.

Each line of standard input is one `Work` as JSON; each line of standard output is what came of it.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import AsyncIterator, Awaitable
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import av
import grpc
import numpy as np
from riva.client.proto import riva_asr_pb2, riva_asr_pb2_grpc
from riva.client.proto.riva_audio_pb2 import AudioEncoding

RATE = 16_000
CHUNK_SECONDS = 0.1
#: Between the utterances of a stream; longer than the silence that ends one.
PAUSE_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Work:
    """What the callers are to do.

    Attributes:
        server: host and port.
        short: files, each a short clip.
        long: files of many windows; with `short` too, one caller sends these all the while.
        callers: how many send the short ones, or the long ones where there are no short ones, or stream.
        requests: in all, of those that are timed.
        prompts: how many different lengths of hotwords.
        streaming: whether to speak at the pace of a microphone and take the time of the finals.
        options: sent with each request, where the server takes any: that no window is tried again.
        seed: of the order of files.
    """

    server: str
    short: list[str]
    long: list[str] = field(default_factory=list)
    callers: int = 1
    requests: int = 20
    prompts: int = 0
    streaming: bool = False
    options: dict[str, str] = field(default_factory=dict)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Came:
    """What came of it.

    Attributes:
        seconds: each timed request's latency, or each utterance's lag: its last sample sent to its final received.
        audio_seconds: sent by all callers, of requests that were answered.
        wall: from the first request to the last answer.
    """

    seconds: list[float]
    audio_seconds: float
    wall: float


def main() -> None:
    """Do each work of standard input."""
    for line in sys.stdin:
        came = asyncio.run(_do(Work(**json.loads(line))))
        print(json.dumps(asdict(came)), flush=True)


async def _do(work: Work) -> Came:
    async with grpc.aio.insecure_channel(work.server) as channel:
        stub = riva_asr_pb2_grpc.RivaSpeechRecognitionStub(channel)
        caller = _Caller(stub, work)
        await channel.channel_ready()
        began = time.perf_counter()
        if work.streaming:
            lags = await asyncio.gather(*(caller.speak(number) for number in range(work.callers)))
            seconds = [lag for of_stream in lags for lag in of_stream]
        elif work.short and work.long:
            seconds = await _beside(caller.repeat_long(), caller.send_all(work.short))
        else:
            seconds = await caller.send_all(work.short or work.long)
        return Came(seconds, caller.audio_seconds, time.perf_counter() - began)


async def _beside(background: Awaitable[None], timed: Awaitable[list[float]]) -> list[float]:
    running = asyncio.ensure_future(background)
    await asyncio.sleep(0.5)
    try:
        return await timed
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


class _Caller:
    def __init__(self, stub: Any, work: Work) -> None:
        self.audio_seconds = 0.0
        self._stub = stub
        self._work = work
        self._bytes = {name: Path(name).read_bytes() for name in {*work.short, *work.long}}
        self._lengths = {name: _length(name) for name in self._bytes}

    async def send_all(self, files: list[str]) -> list[float]:
        """Send the requests, from so many callers at a time; return their latencies."""
        order = random.Random(self._work.seed)
        names = [order.choice(files) for _ in range(self._work.requests)]
        left = iter(enumerate(names))
        return [
            second
            for of_caller in await asyncio.gather(*(self._send(left) for _ in range(self._work.callers)))
            for second in of_caller
        ]

    async def _send(self, left: Any) -> list[float]:
        seconds = []
        for number, name in left:
            began = time.perf_counter()
            await self._recognize(name, number)
            seconds.append(time.perf_counter() - began)
        return seconds

    async def repeat_long(self) -> None:
        """Send long files until cancelled."""
        for number in count():
            await self._recognize(self._work.long[number % len(self._work.long)], 0)

    async def _recognize(self, name: str, number: int) -> None:
        request = riva_asr_pb2.RecognizeRequest(config=self._config(number), audio=self._bytes[name])
        await self._stub.Recognize(request)
        self.audio_seconds += self._lengths[name]

    def _config(self, number: int, **fields: Any) -> Any:
        config = riva_asr_pb2.RecognitionConfig(language_code="en-US", **fields)
        if self._work.prompts:
            config.speech_contexts.add(phrases=[" ".join(["red"] * (1 + number % self._work.prompts))])
        config.custom_configuration.update(self._work.options)
        return config

    async def speak(self, number: int) -> list[float]:
        """Speak as many utterances as requests are wanted of each caller; return the finals' lags."""
        order = random.Random(self._work.seed + number)
        files = [order.choice(self._work.short) for _ in range(self._work.requests // self._work.callers)]
        ends: list[float] = []
        await asyncio.sleep(order.random() * 2)  # Streams do not begin together.
        lags: list[float] = []
        async for response in self._stub.StreamingRecognize(self._spoken(files, ends)):
            if any(result.is_final and result.alternatives[0].transcript.strip() for result in response.results):
                lags.append(time.perf_counter() - ends[len(lags)])
        if len(lags) != len(files):
            print(f"a stream had {len(lags)} finals of {len(files)} utterances", file=sys.stderr)
        return lags

    async def _spoken(self, files: list[str], ends: list[float]) -> AsyncIterator[Any]:
        config = self._config(0, encoding=AudioEncoding.LINEAR_PCM, sample_rate_hertz=RATE, audio_channel_count=1)
        streaming = riva_asr_pb2.StreamingRecognitionConfig(config=config, interim_results=True)
        yield riva_asr_pb2.StreamingRecognizeRequest(streaming_config=streaming)
        began, sent = time.perf_counter(), 0.0
        for name in files:
            for piece, is_last in _chunks(name):
                sent += CHUNK_SECONDS
                await asyncio.sleep(max(0.0, began + sent - time.perf_counter()))
                yield riva_asr_pb2.StreamingRecognizeRequest(audio_content=piece)
                if is_last:
                    ends.append(time.perf_counter())
            self.audio_seconds += self._lengths[name] + PAUSE_SECONDS


def _chunks(name: str) -> list[tuple[bytes, bool]]:
    """Return an utterance and the pause behind it in chunks, and which one is the last of the utterance."""
    step = round(RATE * CHUNK_SECONDS)
    spoken = _samples(name)
    spoken = np.pad(spoken, (0, -len(spoken) % step))
    pieces = spoken.reshape(-1, step)
    silence = np.zeros((round(PAUSE_SECONDS / CHUNK_SECONDS), step), np.int16)
    last = len(pieces) - 1
    return [(piece.tobytes(), number == last) for number, piece in enumerate([*pieces, *silence])]


def _samples(name: str) -> Any:
    with av.open(name) as container:
        return np.concatenate([frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)])


def _length(name: str) -> float:
    return len(_samples(name)) / RATE


if __name__ == "__main__":
    main()
