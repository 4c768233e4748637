"""What front ends know of a model: audio and instructions in, what was said out, as it is heard."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Hashable
from dataclasses import dataclass, field
from typing import Protocol

from whisper_server.audio.samples import Samples
from whisper_server.audio.windows import Window
from whisper_server.engine.options import Instructions
from whisper_server.engine.schedule.rows import RowClass


@dataclass(frozen=True, slots=True)
class Caller:
    """For whom the model works.

    Attributes:
        identity: whose work takes turns with that of others: one request, or one live stream.
        deadline: `time.monotonic()` after which the result is worth nothing; None for never.
    """

    identity: Hashable
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class TranscriptionRequest:
    """One recording to transcribe.

    Attributes:
        blocks: its samples in order, mono, 16 kHz; read as fast as the model keeps up, so that memory is bounded.
        instructions: what to do with it.
        caller: for whom.
    """

    blocks: AsyncIterable[Samples]
    instructions: Instructions
    caller: Caller


@dataclass(frozen=True, slots=True)
class WindowRequest:
    """Up to 30 s of speech to write down at once, by itself: what a live stream asks for.

    Attributes:
        window: the speech, and where it was in the recording.
        instructions: what to do with it; plan and VAD are not looked at.
        caller: for whom.
        row_class: a final, for which somebody waits, goes first; a partial is dropped when there is no room.
        admitted: whether it is taken although the queue is full, since work for its stream has begun.
    """

    window: Window
    instructions: Instructions
    caller: Caller
    row_class: RowClass = RowClass.NORMAL
    admitted: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """One word, with its leading space and punctuation; seconds from the recording's start, probability from 0 to 1."""

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
        alternatives: further hypotheses, best first, when more than one was asked for and the window is one segment.
        language: Whisper's code of what the segment was written in.
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
    alternatives: tuple["Alternative", ...] = ()
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another hypothesis of a segment: its text, and how sure the model is, as `Segment.mean_log_probability`."""

    text: str
    mean_log_probability: float
    tokens: int


@dataclass(frozen=True, slots=True)
class LanguageFound:
    """The language of a recording.

    Attributes:
        language: Whisper's code: the one asked for, or the likeliest one.
        probability: that it is this one; 1 for the one asked for.
        probabilities: of every language that the model knows, likeliest first; empty when it was asked for.
    """

    language: str
    probability: float = 1.0
    probabilities: tuple[tuple[str, float], ...] = field(default=(), repr=False)


#: What comes of a recording: its language once, before the first segment, then segments in order of time.
Update = LanguageFound | Segment


@dataclass(frozen=True, slots=True)
class Transcription:
    """All that was said.

    Attributes:
        language: what was found.
        segments: in order of time; none for silence.
    """

    language: LanguageFound
    segments: tuple[Segment, ...]


class Engine(Protocol):
    """A loaded model with a queue of its own before it.

    Every call may raise, beside what its `blocks` raise, the errors of `engine.schedule.errors`: QueueFullError before
    any work is done, RowExpiredError when the caller's deadline has passed, RowDroppedError (partials only),
    SchedulerClosedError and BrokenRunnerError. A caller that is cancelled, or closes the iterator, leaves the queue at
    once, and the model at its next batch.

    Attributes:
        broken: set when the device will not work again.
    """

    broken: asyncio.Event

    @property
    def device(self) -> str:
        """Where the model runs: cpu or cuda."""

    @property
    def compute_type(self) -> str:
        """How it calculates, as CTranslate2 names it."""

    @property
    def full(self) -> bool:
        """Whether the queue has no room for the window of one more request."""

    def transcribe(self, request: TranscriptionRequest) -> AsyncGenerator[Update, None]:
        """Yield what is said in a recording, as it is heard."""

    async def hear(self, request: WindowRequest) -> Transcription:
        """Write down one window; times in the result are those of the recording."""

    async def detect_language(self, request: WindowRequest) -> LanguageFound:
        """Tell the language of one window."""

    async def close(self) -> None:
        """Fail what waits, let what runs finish, and let the model go."""


class EngineError(Exception):
    """The model cannot be loaded or used on the device; the text is one sentence."""


async def collect(updates: AsyncIterator[Update]) -> Transcription:
    """Return all that `updates` tell."""
    language, segments = LanguageFound("en"), []
    async for update in updates:
        if isinstance(update, LanguageFound):
            language = update
        else:
            segments.append(update)
    return Transcription(language, tuple(segments))
