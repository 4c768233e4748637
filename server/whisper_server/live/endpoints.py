"""Where utterances begin and end, from the probability of speech in each step: a state of a few numbers."""

import math
from dataclasses import dataclass

from whisper_server.audio.samples import SAMPLE_RATE
from whisper_server.audio.voice_activity import STEP
from whisper_server.engine.options import VadOptions
from whisper_server.live.interface import Endpointing

_STEP_MS = STEP * 1000 // SAMPLE_RATE
#: Kept on both sides of speech, as for recordings.
_PAD_STEPS = round(VadOptions().speech_pad_ms / _STEP_MS)


@dataclass(frozen=True, slots=True)
class Begin:
    """An utterance begins.

    Attributes:
        at: its first sample, counted from the stream's start; a little before its speech.
    """

    at: int


@dataclass(frozen=True, slots=True)
class End:
    """The utterance has ended.

    Attributes:
        at: the sample behind its last one; a little after its speech.
        speech: the sample behind its speech.
    """

    at: int
    speech: int


class EndpointDetector:
    """Follows the probabilities of one stream, with hysteresis as in Silero's own iterator.

    Speech counts from the first step at or above the upper threshold, silence from the first step below the lower one;
    steps between the two go on with what was. No two utterances share a sample.
    """

    def __init__(self, endpointing: Endpointing) -> None:
        self._upper = endpointing.start_threshold
        self._lower = min(endpointing.stop_threshold, endpointing.start_threshold)
        self._start_steps = math.ceil(endpointing.start_history_ms / _STEP_MS)
        self._stop_steps = math.ceil(endpointing.stop_history_ms / _STEP_MS)
        self._speaking = False
        self._steps = 0
        self._edge: int | None = None  # the step in which what may become speech, or silence, began
        self._ended = 0  # the step behind the last utterance

    @property
    def speaking(self) -> bool:
        """Whether an utterance has begun and not ended."""
        return self._speaking

    @property
    def heard(self) -> int:
        """Return the number of samples that were looked at."""
        return self._steps * STEP

    @property
    def silence(self) -> float:
        """Return which share of the silence that ends the utterance has passed, from 0 to 1."""
        if not self._speaking:
            return 1.0
        return 0.0 if self._edge is None else (self._steps - self._edge) / self._stop_steps

    @property
    def padded(self) -> bool:
        """Whether the utterance has all that belongs to it, if it is not going on."""
        return self._edge is not None and self._steps - self._edge >= _PAD_STEPS

    @property
    def needed_from(self) -> int:
        """Return the first sample that the next utterance may still begin with, while none runs."""
        return self._padded_start(self._steps if self._edge is None else self._edge)

    @property
    def ending(self) -> End:
        """Return how the running utterance ends if nothing more comes."""
        edge = self._steps if self._edge is None else self._edge
        return End(min(self._steps, edge + _PAD_STEPS) * STEP, edge * STEP)

    def push(self, probability: float) -> Begin | End | None:
        """Take the next step's probability of speech, and return what it makes certain."""
        self._steps += 1
        return self._seek_end(probability) if self._speaking else self._seek_begin(probability)

    def _seek_begin(self, probability: float) -> Begin | None:
        if probability < self._lower:
            self._edge = None
        elif probability >= self._upper and self._edge is None:
            self._edge = self._steps - 1
        if self._edge is None or self._steps - self._edge < self._start_steps:
            return None
        begin = Begin(self._padded_start(self._edge))
        self._speaking, self._edge = True, None
        return begin

    def _seek_end(self, probability: float) -> End | None:
        if probability >= self._upper:
            self._edge = None
        elif probability < self._lower and self._edge is None:
            self._edge = self._steps - 1
        if self._edge is None or self._steps - self._edge < self._stop_steps:
            return None
        end = self.ending
        self._speaking, self._edge, self._ended = False, None, end.at // STEP
        return end

    def _padded_start(self, step: int) -> int:
        return max(self._ended, step - _PAD_STEPS) * STEP
