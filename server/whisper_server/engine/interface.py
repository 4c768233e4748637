"""What front ends know of a model: a request in, a transcription out."""

from dataclasses import dataclass, field
from typing import Protocol

from whisper_server.audio.decode import Samples
from whisper_server.engine.options import Instructions


@dataclass(frozen=True, slots=True)
class TranscriptionRequest:
    """One recording to transcribe.

    Attributes:
        samples: mono, 16 kHz.
        instructions: what to do with it.
    """

    samples: Samples = field(repr=False)
    instructions: Instructions


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
        no_speech_probability: that nothing was said in the window of the segment, as the model sees it.
        compression_ratio: of the text; a loop compresses well.
        temperature: the one at which the text passed, or the last one tried.
        alternatives: further hypotheses, best first, when more than one was asked for.
    """

    text: str
    start: float
    end: float
    mean_log_probability: float
    tokens: int
    words: tuple[Word, ...] = ()
    no_speech_probability: float = 0.0
    compression_ratio: float = 1.0
    temperature: float = 0.0
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Transcription:
    """What was said.

    Attributes:
        language: Whisper's code: the one asked for, or the one detected.
        segments: in order of time; none for silence.
        inference_seconds: time that the model worked for it.
        language_probability: that it is this language; 1 for the one asked for.
    """

    language: str
    segments: tuple[Segment, ...]
    inference_seconds: float
    language_probability: float = 1.0


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
