"""Where samples wait: what was sent and not listened to yet, and what may still become part of an utterance."""

import asyncio
from collections.abc import AsyncIterable

import numpy as np

from whisper_server.audio.samples import SAMPLE_RATE, Samples

_BYTES = np.dtype(np.float32).itemsize


class Tape:
    """The newest samples of a stream, by their place in it.

    Attributes:
        start: the place of the first sample that is kept.
    """

    def __init__(self) -> None:
        self.start = 0
        self._bytes = bytearray()  # Grows and shrinks at its ends without copying the rest.

    @property
    def end(self) -> int:
        """Return the place behind the last sample."""
        return self.start + len(self._bytes) // _BYTES

    def append(self, samples: Samples) -> None:
        """Add what was sent next."""
        self._bytes += samples.tobytes()

    def cut(self, start: int, end: int) -> Samples:
        """Return a copy of the samples from `start` to before `end`, as far as they are kept."""
        first, last = (max(0, place - self.start) * _BYTES for place in (start, end))
        return np.frombuffer(bytes(self._bytes[first:last]), np.float32)

    def forget(self, before: int) -> None:
        """Keep nothing before the place `before`."""
        count = min(max(0, before - self.start), self.end - self.start)
        del self._bytes[: count * _BYTES]
        self.start += count


class Backlog:
    """Samples that were read and not listened to yet: a little of them, so that a client which sends faster waits.

    One task fills it and one empties it.
    """

    def __init__(self, most_seconds: float) -> None:
        self._most = round(most_seconds * SAMPLE_RATE)
        self._waiting = Tape()
        self._changed = asyncio.Event()
        self._ended = False

    async def fill(self, blocks: AsyncIterable[Samples]) -> None:
        """Read all of `blocks`, as far as there is room."""
        try:
            async for block in blocks:
                for start in range(0, len(block), SAMPLE_RATE):
                    await self._put(block[start : start + SAMPLE_RATE])
        finally:
            self._ended = True
            self._changed.set()

    async def take(self) -> Samples:
        """Return what waits, of at most a second; nothing when all was read and taken."""
        while not self._held and not self._ended:
            await self._change()
        samples = self._waiting.cut(self._waiting.start, self._waiting.start + SAMPLE_RATE)
        self._waiting.forget(self._waiting.start + len(samples))
        self._changed.set()
        return samples

    @property
    def _held(self) -> int:
        return self._waiting.end - self._waiting.start

    async def _put(self, samples: Samples) -> None:
        while self._held >= self._most:
            await self._change()
        self._waiting.append(samples)
        self._changed.set()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
