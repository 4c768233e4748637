"""A recording, as it comes, cut into windows of at most 30 s.

With voice activity detection a window holds as much speech as fits, its stretches one after the other without the
pauses between them: what faster-whisper's batched pipeline feeds its model. Without, it is the next 30 s.
"""

import asyncio
import dataclasses
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from whisper_server.audio.samples import SAMPLE_RATE, Samples
from whisper_server.audio.speech import Speech, SpeechFinder, VadOptions
from whisper_server.audio.voice_activity import SpeechProbabilities
from whisper_server.audio.windows import MAX_WINDOW_SECONDS, Piece, Window

_MOST = round(MAX_WINDOW_SECONDS * SAMPLE_RATE)


class WindowCutter:
    """Cuts one recording; blocking, for a thread, one call at a time.

    It keeps the samples that may still become part of a window, and no others: an hour of silence keeps nothing.
    """

    def __init__(self, vad: VadOptions | None) -> None:
        self._stretches: _Stretches = _Everything() if vad is None else _Spoken(vad)
        self._kept = _Kept()
        self._window = _Filling()

    @property
    def kept_samples(self) -> int:
        """Return how many samples are kept, in and before the window that is being filled."""
        return len(self._kept) + self._window.length

    def push(self, samples: Samples) -> list[Window]:
        """Take the next samples of the recording, any number; return the windows that are certain now."""
        self._kept.append(samples)
        windows = self._fill(self._stretches.push(samples))
        self._kept.forget_before(self._stretches.kept_from)
        return windows

    def finish(self) -> list[Window]:
        """Return the last windows of the recording."""
        return self._fill(self._stretches.finish()) + self._filled()

    def _fill(self, stretches: list[Speech]) -> list[Window]:
        windows: list[Window] = []
        for stretch in stretches:
            # Only padding of half a window and more makes a stretch longer than a window.
            for start in range(stretch.start, stretch.end, _MOST):
                samples = self._kept.samples(start, min(start + _MOST, stretch.end))
                if self._window.length + len(samples) > _MOST:
                    windows += self._filled()
                self._window.add(start, samples)
                if self._window.length == _MOST:
                    windows += self._filled()
        return windows

    def _filled(self) -> list[Window]:
        """Return the window, unless it is empty, and begin the next."""
        filled, self._window = self._window, _Filling()
        return [filled.window()] if filled.length else []


async def windows(blocks: AsyncIterable[Samples], vad: VadOptions | None) -> AsyncGenerator[Window, None]:
    """Yield the windows of a recording, reading on only when those that are there have been taken."""
    cutter = WindowCutter(vad)
    async for block in blocks:
        for start in range(0, len(block), _MOST):
            for window in await asyncio.to_thread(cutter.push, block[start : start + _MOST]):
                yield window
    for window in await asyncio.to_thread(cutter.finish):
        yield window


class _Filling:
    """The window that is being filled."""

    def __init__(self) -> None:
        self.length = 0
        self._samples: list[Samples] = []
        self._pieces: list[Piece] = []

    def add(self, start: int, samples: Samples) -> None:
        self._pieces.append(Piece(self.length, start, len(samples)))
        self._samples.append(samples)
        self.length += len(samples)

    def window(self) -> Window:
        return Window(np.concatenate(self._samples, dtype=np.float32), tuple(self._pieces))


@dataclass(frozen=True, slots=True)
class _Block:
    start: int
    samples: Samples

    @property
    def end(self) -> int:
        return self.start + len(self.samples)


class _Kept:
    """The samples of a recording that may still be wanted, in the blocks in which they came."""

    def __init__(self) -> None:
        self._blocks: deque[_Block] = deque()
        self._total = 0

    def __len__(self) -> int:
        return sum(len(block.samples) for block in self._blocks)

    def append(self, samples: Samples) -> None:
        self._blocks.append(_Block(self._total, samples))
        self._total += len(samples)

    def samples(self, start: int, end: int) -> Samples:
        """Return a copy, so that it keeps no block."""
        parts = [
            block.samples[max(0, start - block.start) : end - block.start]
            for block in self._blocks
            if block.start < end and start < block.end
        ]
        return np.concatenate(parts, dtype=np.float32)

    def forget_before(self, position: int) -> None:
        while self._blocks and self._blocks[0].end <= position:
            self._blocks.popleft()


class _Stretches(Protocol):
    """What of a recording is to be heard."""

    @property
    def kept_from(self) -> int:
        """No stretch that is still to come begins before this sample."""

    def push(self, samples: Samples) -> list[Speech]:
        """Take the next samples; return the stretches that are certain now."""

    def finish(self) -> list[Speech]:
        """Return the last stretches."""


class _Everything:
    """Stretches of one window's length."""

    def __init__(self) -> None:
        self.kept_from = 0
        self._total = 0

    def push(self, samples: Samples) -> list[Speech]:
        self._total += len(samples)
        return [self._next(self.kept_from + _MOST) for _ in range((self._total - self.kept_from) // _MOST)]

    def finish(self) -> list[Speech]:
        return [self._next(self._total)] if self.kept_from < self._total else []

    def _next(self, end: int) -> Speech:
        start, self.kept_from = self.kept_from, end
        return Speech(start, end)


class _Spoken:
    """Stretches in which somebody speaks, none so long that it fits no window."""

    def __init__(self, vad: VadOptions) -> None:
        longest = min(vad.max_speech_duration_s, MAX_WINDOW_SECONDS)
        self._finder = SpeechFinder(dataclasses.replace(vad, max_speech_duration_s=longest))
        self._probabilities = SpeechProbabilities()
        self._total = 0

    @property
    def kept_from(self) -> int:
        return self._finder.kept_from

    def push(self, samples: Samples) -> list[Speech]:
        self._total += len(samples)
        return self._finder.push(self._probabilities.push(samples))

    def finish(self) -> list[Speech]:
        return self._finder.push(self._probabilities.finish()) + self._finder.finish(self._total)
