"""The way of every recording, whatever protocol it came by: admit, decode, transcribe, count."""

import contextlib
import math
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from whisper_server.admission import Admission
from whisper_server.audio.formats import AudioHint
from whisper_server.audio.limits import DecodeLimits
from whisper_server.audio.samples import SAMPLE_RATE, Samples
from whisper_server.audio.spool import Spool
from whisper_server.audio.stream import decoded
from whisper_server.audio.windows import first_window
from whisper_server.engine.interface import (
    Caller,
    Engine,
    LanguageFound,
    Transcription,
    TranscriptionRequest,
    Update,
    WindowRequest,
    collect,
)
from whisper_server.engine.limits import MAX_SEQUENTIAL_SECONDS, check
from whisper_server.engine.options import Instructions, Plan
from whisper_server.engine.schedule.errors import (
    BrokenRunnerError,
    QueueFullError,
    RowExpiredError,
    SchedulerClosedError,
)
from whisper_server.errors import ExpiredError, OverloadedError, UnavailableError
from whisper_server.live.interface import LiveOptions, LiveUpdate
from whisper_server.live.stream import listen
from whisper_server.operations.metrics import Metrics

_U = TypeVar("_U")
_Admit = Callable[[], contextlib.AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Job:
    """What a front end asks for.

    Attributes:
        chunks: the bytes of the audio, in order, as they come.
        hint: what the client says of them.
        instructions: what to do with them.
        deadline: `time.monotonic()` after which the answer is worth nothing; None for never.
        admitted: whether the front end holds a place for it already, with `Transcriber.admitted`.
    """

    chunks: AsyncIterable[bytes] = field(repr=False)
    hint: AudioHint
    instructions: Instructions
    deadline: float | None = None
    admitted: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that came of a job.

    Attributes:
        transcription: what was said.
        audio_seconds: length of the audio.
    """

    transcription: Transcription
    audio_seconds: float


class Hearing(Generic[_U]):
    """A job at work.

    Attributes:
        updates: what is said, as it is heard; once only.
    """

    def __init__(self, updates: AsyncIterator[_U], audio: "_Meter") -> None:
        self.updates = updates
        self._audio = audio

    @property
    def audio_seconds(self) -> float:
        """Return how much of the audio has been decoded so far."""
        return self._audio.seconds


class Transcriber:
    """Brings jobs to the engine.

    Every call raises OverloadedError before anything is done when there is no room, InvalidRequestError when an option
    is beyond `engine.limits` or the audio cannot be decoded, ExpiredError and UnavailableError. Cancelling the caller
    ends the work for it.
    """

    def __init__(self, engine: Engine, admission: Admission, limits: DecodeLimits, metrics: Metrics) -> None:
        self._engine = engine
        self._admission = admission
        self._limits = limits
        # A live stream goes on for as long as somebody speaks, and nothing that was said is kept.
        self._endless = replace(limits, max_seconds=math.inf, max_bytes=sys.maxsize)
        self._metrics = metrics

    @property
    def spool(self) -> Spool:
        """Return where uploads wait that have to be whole to be read."""
        return self._limits.spool

    @contextlib.asynccontextmanager
    async def transcribing(self, job: Job) -> AsyncGenerator[Hearing[Update], None]:
        """Hold a place for `job`, and give what is said in it, piece by piece."""
        caller, began = Caller(object(), job.deadline), time.monotonic()
        async with self._hearing(job, self._admission.admit, self._limits_of(job)) as audio:
            request = TranscriptionRequest(audio.blocks, job.instructions, caller)
            async with contextlib.aclosing(self._engine.transcribe(request)) as updates:
                yield Hearing(updates, audio)
        if audio.seconds:
            self._metrics.real_time_factor.observe((time.monotonic() - began) / audio.seconds)

    async def transcribe(self, job: Job) -> Outcome:
        """Return all that is said in `job`."""
        async with self.transcribing(job) as hearing:
            transcription = await collect(hearing.updates)
            return Outcome(transcription, hearing.audio_seconds)

    async def detect_language(self, job: Job) -> LanguageFound:
        """Return the language of the first 30 s of `job`."""
        async with self._hearing(job, self._admission.admit, self._limits_of(job)) as audio:
            window = await first_window(audio.blocks)
            request = WindowRequest(window, job.instructions, Caller(object(), job.deadline))
            return await self._engine.detect_language(request)

    def admitted(self) -> contextlib.AbstractContextManager[None]:
        """Hold a place for a job that has to be read before it is known what it asks for; OverloadedError without room.

        The job says so when it comes.
        """
        return self._place(self._admission.admit)

    @contextlib.contextmanager
    def _place(self, admit: _Admit) -> Iterator[None]:
        if self._engine.full:
            sentence = "the model has as much to do as may wait: try again later"
            raise OverloadedError(sentence, self._admission.retry_after_seconds)
        with admit():
            yield

    def _limits_of(self, job: Job) -> DecodeLimits:
        if job.instructions.plan is Plan.INDEPENDENT:
            return self._limits
        return replace(self._limits, max_seconds=min(self._limits.max_seconds, MAX_SEQUENTIAL_SECONDS))

    @contextlib.asynccontextmanager
    async def listening(self, job: Job, options: LiveOptions) -> AsyncGenerator[Hearing[LiveUpdate], None]:
        """Hold a place for a live stream, and give its utterances as they are spoken."""
        caller = Caller(object(), job.deadline)
        async with self._hearing(job, self._admission.admit_stream, self._endless) as audio:
            live = listen(self._engine, audio.blocks, job.instructions, options, caller)
            async with contextlib.aclosing(live) as updates:
                yield Hearing(updates, audio)

    @contextlib.asynccontextmanager
    async def _hearing(self, job: Job, admit: _Admit, limits: DecodeLimits) -> AsyncGenerator["_Meter", None]:
        check(job.instructions)
        with contextlib.nullcontext() if job.admitted else self._place(admit), _as_request_errors(self._admission):
            async with contextlib.aclosing(decoded(job.hint, job.chunks, limits)) as samples:
                meter = _Meter(samples, self._metrics)
                async with contextlib.aclosing(meter.blocks):
                    yield meter


class _Meter:
    """Counts the audio that passes."""

    def __init__(self, samples: AsyncIterator[Samples], metrics: Metrics) -> None:
        self.seconds = 0.0
        self._metrics = metrics
        self.blocks = self._count(samples)

    async def _count(self, samples: AsyncIterator[Samples]) -> AsyncGenerator[Samples, None]:
        async for block in samples:
            seconds = len(block) / SAMPLE_RATE
            self.seconds += seconds
            self._metrics.audio_seconds.inc(seconds)
            yield block


@contextlib.contextmanager
def _as_request_errors(admission: Admission) -> Iterator[None]:
    """Say in words for callers why the engine did not do it."""
    try:
        yield
    except QueueFullError as error:
        raise OverloadedError(f"{error}: try again later", admission.retry_after_seconds) from error
    except RowExpiredError as error:
        raise ExpiredError(str(error)) from error
    except (SchedulerClosedError, BrokenRunnerError) as error:
        raise UnavailableError(f"{error}: try another server") from error
