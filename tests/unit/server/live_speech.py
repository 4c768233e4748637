"""Synthetic speech for tests of live streams: a script of words in time, and a model that hears exactly those."""

import asyncio
import bisect
import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tests.unit.server.fakes import ENGLISH, FakeEngine
from whisper_server.audio.samples import SAMPLE_RATE, Samples
from whisper_server.audio.voice_activity import STEP
from whisper_server.engine.interface import LanguageFound, Segment, Transcription, WindowRequest, Word
from whisper_server.engine.schedule.rows import RowClass

#: Between two words without a pause, in samples: 60 ms.
GAP = 960


@dataclass(frozen=True, slots=True)
class Spoken:
    """A word, and from which sample to before which it is spoken."""

    text: str
    start: int
    end: int


class Script:
    """What is said in a stream.

    Attributes:
        words: in order of time.
        length: of all of it, in samples.
    """

    def __init__(self, words: Sequence[Spoken], length: int) -> None:
        self.words = words
        self.length = length
        self._starts = [word.start for word in words]
        self._ends = [word.end for word in words]

    @classmethod
    def of(cls, *phrases: int, word_seconds: float = 0.4, pause_seconds: float = 1.2) -> "Script":
        """Return phrases of so many words each, with a pause before, between and behind them."""
        words: list[Spoken] = []
        at = round(pause_seconds * SAMPLE_RATE)
        for count in phrases:
            for _ in range(count):
                end = at + round(word_seconds * SAMPLE_RATE)
                words.append(Spoken(f" w{len(words)}", at, end))
                at = end + GAP
            at += round(pause_seconds * SAMPLE_RATE)
        return cls(words, at)

    @property
    def text(self) -> str:
        """Return all that is said."""
        return "".join(word.text for word in self.words)

    def blocks(self, size: int = SAMPLE_RATE // 10) -> Iterator[Samples]:
        """Yield the samples, made as they are asked for: loud in words, silent between them."""
        for start in range(0, self.length, size):
            block = np.zeros(min(size, self.length - start), np.float32)
            for word in self.words_in(start, start + len(block)):
                block[max(0, word.start - start) : max(0, word.end - start)] = 0.5
            yield block

    def words_in(self, start: int, end: int) -> list[Spoken]:
        """Return the words of which some is spoken from `start` to before `end`."""
        return list(self.words[bisect.bisect_right(self._ends, start) : bisect.bisect_left(self._starts, end)])

    def probability(self, step: int) -> float:
        """Return that of speech: also in the short gaps between words."""
        middle = step * STEP + STEP // 2
        return 0.9 if self.words_in(middle - GAP, middle + GAP) else 0.05


@dataclass
class ScriptedProbabilities:
    """What stands for the voice activity network; its clock is that of the audio that it was given.

    Attributes:
        heard: samples that were given.
    """

    script: Script
    heard: int = 0

    def push(self, samples: Samples) -> list[float]:
        """Return the probabilities of the script."""
        first = self.heard // STEP
        self.heard += len(samples)
        return [self.script.probability(step) for step in range(first, self.heard // STEP)]

    def clock(self) -> float:
        """Return the seconds that were given."""
        return self.heard / SAMPLE_RATE


@dataclass
class Sender:
    """Sends a script's blocks.

    Attributes:
        sent: samples that were asked for.
    """

    script: Script
    probabilities: ScriptedProbabilities
    block: int = SAMPLE_RATE // 10
    sent: int = 0

    async def in_step(self) -> AsyncIterator[Samples]:
        """Yield a block once the one before has been listened to: as somebody who speaks."""
        for block in self.script.blocks(self.block):
            yield block
            self.sent += len(block)
            while self.probabilities.heard < self.sent:  # noqa: ASYNC110 - no event is as simple
                await asyncio.sleep(0)

    async def at_once(self) -> AsyncIterator[Samples]:
        """Yield all blocks as fast as they are taken."""
        for block in self.script.blocks(self.block):
            self.sent += len(block)
            yield block


class ScriptedEngine(FakeEngine):
    """Hears the words of a script that lie in a window whole; of those that are cut in two it hears a noise.

    Attributes:
        partial_seconds: of audio have to come before a partial is answered.
        asked: when each window was asked for, by the same clock.
        language: that it finds.
        languages: those that it finds before, one in a window.
        deaf_windows: in how many more windows it takes nothing for speech.
        partials_error: raised in place of partials.
        time_error: by how many seconds word times may be wrong.
    """

    def __init__(self, script: Script, clock: Callable[[], float]) -> None:
        super().__init__()
        self.script = script
        self.clock = clock
        self.partial_seconds = 0.0
        self.asked: list[float] = []
        self.language = ENGLISH
        self.languages: list[LanguageFound] = []
        self.deaf_windows = 0
        self.partials_error: Exception | None = None
        self.time_error = 0.0
        self._random = random.Random(1)

    async def hear(self, request: WindowRequest) -> Transcription:
        """Answer with what lies in the window."""
        self.windows.append(request)
        self.asked.append(began := self.clock())
        if request.row_class is RowClass.PARTIAL:
            if self.partials_error is not None:
                raise self.partials_error
            await self._until(began + self.partial_seconds)
        await self._turn()
        given = request.instructions.language
        found = self.languages.pop(0) if self.languages else self.language
        language = found if given is None else LanguageFound(given)
        return Transcription(language, self._segments(request))

    def of_class(self, row_class: RowClass) -> list[WindowRequest]:
        """Return the windows that were asked for, of one class."""
        return [window for window in self.windows if window.row_class is row_class]

    async def _until(self, time: float) -> None:
        try:
            while self.clock() < time:  # noqa: ASYNC110 - no event is as simple
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.given_up += 1
            raise

    def _segments(self, request: WindowRequest) -> tuple[Segment, ...]:
        (piece,) = request.window.pieces
        start, end = piece.start, piece.start + piece.length
        words = tuple(self._heard(word, start, end) for word in self.script.words_in(start, end))
        if self.deaf_windows or not words:
            self.deaf_windows = max(0, self.deaf_windows - 1)
            return ()
        text = "".join(word.text for word in words)
        times = words if request.instructions.word_times else ()
        return (Segment(text, words[0].start, words[-1].end, -0.1, len(words), times),)

    def _heard(self, word: Spoken, start: int, end: int) -> Word:
        error = self._random.uniform(-self.time_error, self.time_error)
        begins, ends = max(word.start, start) / SAMPLE_RATE, min(word.end, end) / SAMPLE_RATE
        whole = start <= word.start and word.end <= end
        return Word(word.text if whole else " noise", begins + error, ends + error, 0.9)
