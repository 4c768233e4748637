"""Where in a recording somebody speaks, told from the probabilities of `voice_activity` as they come.

The decision is that of faster-whisper's `get_speech_timestamps`, which looks at a whole recording: the same stretches
come of the same probabilities, each as soon as nothing that follows can change it.
"""

from dataclasses import dataclass

import numpy as np

from whisper_server.audio.samples import SAMPLE_RATE
from whisper_server.audio.voice_activity import STEP, Probabilities

#: A pause at which speech that is too long may be cut; shorter ones stand within words.
_SHORTEST_CUT_MS = 98
#: How far below the threshold speech ends, and the least that this may come to.
_HYSTERESIS, _LEAST_NEG_THRESHOLD = 0.15, 0.01


@dataclass(frozen=True, slots=True)
class VadOptions:
    """Where speech is; names and defaults are those of faster-whisper's batched pipeline.

    Attributes:
        threshold: probability from which a window of 32 ms is speech.
        neg_threshold: below which speech ends; None for `threshold` less 0.15.
        min_speech_duration_ms: shorter speech is dropped.
        max_speech_duration_s: longer speech is cut where it pauses.
        min_silence_duration_ms: a shorter pause ends nothing.
        speech_pad_ms: kept on both sides.
    """

    threshold: float = 0.5
    neg_threshold: float | None = None
    min_speech_duration_ms: int = 0
    max_speech_duration_s: float = 30.0
    min_silence_duration_ms: int = 160
    speech_pad_ms: int = 400


@dataclass(frozen=True, slots=True)
class Speech:
    """A stretch of a recording in which somebody speaks: its first sample, and the one behind its last."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """Return how many samples it has."""
        return self.end - self.start


class SpeechFinder:
    """Finds the speech of one recording; pure.

    Attributes:
        kept_from: no stretch that is still to come begins before this sample.
    """

    def __init__(self, options: VadOptions) -> None:
        self._detector = _Detector(options)
        self._pad = _samples(options.speech_pad_ms)
        self._ended: Speech | None = None  # Its end is not padded yet: that depends on what follows.
        self._start: int | None = None  # Of the speech that goes on, padded, once it is certain to count.

    @property
    def kept_from(self) -> int:
        if self._ended is not None:
            return self._ended.start
        return self._padded_start(self._detector.earliest) if self._start is None else self._start

    def push(self, probabilities: Probabilities) -> list[Speech]:
        """Take the probabilities of the next steps; return the stretches that are certain now, in order of time."""
        found: list[Speech] = []
        for probability in probabilities.tolist():
            if (ended := self._detector.step(probability)) is not None:
                found += self._take(ended)
        if self._detector.counts:
            found += self._begin(self._detector.earliest)
        elif self._nothing_follows():
            found += self._close(self._detector.heard)
        return found

    def finish(self, total: int) -> list[Speech]:
        """Return the last stretches of a recording of `total` samples, of which all probabilities have been pushed."""
        ended = self._detector.finish(total)
        found = [] if ended is None else self._take(ended)
        return found + self._close(total)

    def _take(self, ended: Speech) -> list[Speech]:
        closed = self._begin(ended.start)
        self._ended, self._start = Speech(self._start or 0, ended.end), None
        return closed

    def _begin(self, start: int) -> list[Speech]:
        """Fix where the next stretch begins, and with it where the one before ends: they share a short pause."""
        if self._start is not None:
            return []
        before = self._ended
        if before is None or start - before.end >= 2 * self._pad:
            self._start = self._padded_start(start)
            return self._close(start)
        half = (start - before.end) // 2
        self._start, self._ended = max(0, start - half), None
        return [Speech(before.start, before.end + half)]

    def _nothing_follows(self) -> bool:
        """Whether speech that may follow is too far away to change where the last stretch ends."""
        return (
            self._ended is not None
            and self._ended.end + self._pad <= self._detector.heard
            and self._detector.earliest - self._ended.end >= 2 * self._pad
        )

    def _close(self, total: int) -> list[Speech]:
        if self._ended is None:
            return []
        closed, self._ended = Speech(self._ended.start, int(min(total, self._ended.end + self._pad))), None
        return [closed]

    def _padded_start(self, start: int) -> int:
        return int(max(0, start - self._pad))


class _Detector:
    """Speech without its padding, step by step.

    In `_pause`, `_cut` and `_resumed` 0 stands for none: speech comes before each of them.
    """

    def __init__(self, options: VadOptions) -> None:
        below = options.neg_threshold
        if below is None:
            below = max(options.threshold - _HYSTERESIS, _LEAST_NEG_THRESHOLD)
        # faster-whisper compares in the network's own precision.
        self._threshold, self._below = float(np.float32(options.threshold)), float(np.float32(below))
        self._shortest = _samples(options.min_speech_duration_ms)
        self._longest = SAMPLE_RATE * options.max_speech_duration_s - STEP - 2 * _samples(options.speech_pad_ms)
        self._shortest_pause = _samples(options.min_silence_duration_ms)
        self._next = 0
        self._start: int | None = None
        self._pause = 0  # Where the pause began that may end the speech.
        self._cut = 0  # Where the last pause began at which speech that is too long would be cut.
        self._resumed = 0  # Where the speech went on behind that pause.

    @property
    def heard(self) -> int:
        """The recording is at least as long as this: the last step may be all filled up."""
        return max(0, self._next - STEP)

    @property
    def earliest(self) -> int:
        """Where the speech that goes on began; before its end no other begins. Without one, the next step."""
        return self._next if self._start is None else self._start

    @property
    def counts(self) -> bool:
        """Whether speech goes on that is certain to be long enough."""
        return self._start is not None and (self._pause or self.heard) - self._start > self._shortest

    def step(self, probability: float) -> Speech | None:
        """Take the probability of the next step; return the speech that ends with it."""
        at, self._next = self._next, self._next + STEP
        if probability >= self._threshold:
            self._resume(at)
            if self._start is None:
                self._start = at
                return None
        if self._start is None:
            return None
        ended = None
        if at - self._start > self._longest:
            ended, self._start = self._split(at, self._start)
        if self._start is not None and probability < self._below:
            return self._fall_silent(at, self._start) or ended
        return ended

    def finish(self, total: int) -> Speech | None:
        """Return the speech in which the recording ends."""
        return None if self._start is None else self._end(self._start, total)

    def _resume(self, at: int) -> None:
        if self._pause:
            self._pause = 0
            if self._resumed < self._cut:
                self._resumed = at

    def _split(self, at: int, start: int) -> tuple[Speech, int | None]:
        """End speech that is too long, at its last pause or else here; return also where it had gone on since."""
        cut, resumed = self._cut, self._resumed
        self._reset()
        return Speech(start, cut or at), resumed if cut and resumed >= cut else None

    def _fall_silent(self, at: int, start: int) -> Speech | None:
        self._pause = pause = self._pause or at
        if at - pause > _samples(_SHORTEST_CUT_MS):
            self._cut = pause
        if at - pause < self._shortest_pause:
            return None
        self._reset()
        return self._end(start, pause)

    def _end(self, start: int, end: int) -> Speech | None:
        return Speech(start, end) if end - start > self._shortest else None

    def _reset(self) -> None:
        self._start, self._pause, self._cut, self._resumed = None, 0, 0, 0


def _samples(milliseconds: float) -> float:
    return SAMPLE_RATE * milliseconds / 1000
