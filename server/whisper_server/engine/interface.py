"""What front ends know of a model: a request in, a transcription out."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from whisper_server.audio.decode import Samples


class Task(StrEnum):
    """What is written: the words as spoken, or their English."""

    TRANSCRIBE = "transcribe"
    TRANSLATE = "translate"


@dataclass(frozen=True, slots=True)
class TranscriptionRequest:
    """One recording to transcribe.

    Attributes:
        samples: mono, 16 kHz.
        language: Whisper's code, one that the model knows; None to detect it.
        task: whether to translate.
        hotwords: phrases that the model should expect; None for none.
        word_times: whether to find each word's times.
    """

    samples: Samples = field(repr=False)
    language: str | None = None
    task: Task = Task.TRANSCRIBE
    hotwords: str | None = field(default=None, repr=False)
    word_times: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """One word; times in seconds from the recording's start, probability from 0 to 1."""

    text: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech.

    Attributes:
        text: as Whisper writes it, with its leading space.
        start: seconds from the recording's start.
        end: likewise.
        mean_log_probability: of its tokens, natural logarithm.
        tokens: how many; the weight of the mean.
        words: empty unless asked for.
    """

    text: str
    start: float
    end: float
    mean_log_probability: float
    tokens: int
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Transcription:
    """What was said.

    Attributes:
        language: Whisper's code: the one asked for, or the one detected.
        segments: in order of time; none for silence.
        inference_seconds: time that the model worked for it.
    """

    language: str
    segments: tuple[Segment, ...]
    inference_seconds: float


class Engine(Protocol):
    """A loaded model with a queue of its own before it."""

    @property
    def device(self) -> str:
        """Where the model runs: cpu or cuda."""

    @property
    def compute_type(self) -> str:
        """How it calculates, as CTranslate2 names it."""

    async def transcribe(self, request: TranscriptionRequest) -> Transcription:
        """Transcribe `request` when its turn comes.

        A caller that is cancelled leaves the queue at once, and the model before its next window.
        """


class EngineError(Exception):
    """The model cannot be loaded or used on the device; the text is one sentence."""
