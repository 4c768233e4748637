"""The engine on CTranslate2: windows of many requests through one model."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from whisper_server.audio.cutting import windows
from whisper_server.audio.samples import Samples
from whisper_server.audio.windows import Window
from whisper_server.engine import interface
from whisper_server.engine.attempts import Desk
from whisper_server.engine.devices import default_max_batch, default_max_batch_ms
from whisper_server.engine.features import window_features
from whisper_server.engine.independent import IndependentPlan
from whisper_server.engine.interface import (
    Caller,
    LanguageFound,
    Transcription,
    TranscriptionRequest,
    Update,
    WindowRequest,
    collect,
)
from whisper_server.engine.loading import EngineSettings, LoadedModel, load_model
from whisper_server.engine.observer import EngineObserver, Unobserved
from whisper_server.engine.options import Plan
from whisper_server.engine.payloads import Features, Payload, Result
from whisper_server.engine.rehearsal import rehearse
from whisper_server.engine.runner import WhisperRunner
from whisper_server.engine.schedule.errors import SchedulerClosedError
from whisper_server.engine.schedule.rows import RowClass
from whisper_server.engine.schedule.scheduler import Scheduler
from whisper_server.engine.sequential import SequentialPlan, bounded

log = logging.getLogger(__name__)

#: Windows of one request at work: a batch that runs, one that waits, and the next ones in the making.
_BATCHES_AT_WORK = 2
_LEAST_AT_WORK = 4


class WhisperEngine(interface.Engine):
    """A model on its device, and the queue before it. Made, used and closed in one event loop.

    A recording is cut into windows of at most 30 s where voice activity detection finds pauses; windows of all
    requests share batches. What shares one changes nothing in any window's text.

    Attributes:
        broken: set when the device will not work again.
    """

    def __init__(
        self, model: LoadedModel, settings: EngineSettings, observer: EngineObserver, *, word_times: bool = True
    ) -> None:
        self._model = model
        self._word_times = word_times
        self._most_at_work = max(_LEAST_AT_WORK, _BATCHES_AT_WORK * settings.schedule.max_batch)
        self._observer = observer
        runner = WhisperRunner(model.whisper, model.vocabulary)
        self._scheduler: Scheduler[Payload, Result] = Scheduler(runner, settings.schedule, observer)
        # One is enough to keep ahead of the model, and leaves the cores to it.
        self._features = ThreadPoolExecutor(1, thread_name_prefix="whisper-features")
        self.broken = self._scheduler.broken

    @classmethod
    async def load(
        cls, path: Path, settings: EngineSettings, observer: EngineObserver | None = None, *, word_times: bool = True
    ) -> "WhisperEngine":
        """Load the artifact at `path`, and run the largest batch.

        Args:
            path: a published artifact.
            settings: how it runs.
            observer: told what happens.
            word_times: whether the model can tell them.

        Raises:
            EngineError: when device, compute type, memory or files do not allow it.
        """
        model, settings = await asyncio.to_thread(_prepare, path, settings, word_times=word_times)
        return cls(model, settings, observer or Unobserved(), word_times=word_times)

    @property
    def device(self) -> str:
        """Where the model runs: cpu or cuda."""
        return str(self._model.whisper.device)

    @property
    def compute_type(self) -> str:
        """How it calculates; what `default` and `auto` came to."""
        return str(self._model.whisper.compute_type)

    @property
    def full(self) -> bool:
        """Whether the queue has no room for the window of one more request."""
        return self._scheduler.full

    async def transcribe(self, request: TranscriptionRequest) -> AsyncGenerator[Update, None]:
        """Yield what is said in a recording, as it is heard."""
        desk, instructions = self._desk(request.caller), request.instructions
        if instructions.plan is Plan.SEQUENTIAL:
            cut = windows(bounded(request.blocks), instructions.vad)
            heard = SequentialPlan(desk, self._model.extractor, instructions).run(cut)
        else:
            cut = windows(request.blocks, instructions.vad)
            heard = IndependentPlan(desk, self._extract, instructions, self._most_at_work).run(cut)
        async with contextlib.aclosing(heard) as updates:
            async for update in updates:
                yield update

    async def hear(self, request: WindowRequest) -> Transcription:
        """Write down one window; times in the result are those of the recording.

        A live stream asks for word times for its own sake too, and does without where the model can't tell them.
        """
        desk = self._desk(request.caller, request.row_class, admitted=request.admitted)
        instructions = request.instructions
        plan = IndependentPlan(
            desk, self._extract, replace(instructions, word_times=instructions.word_times and self._word_times), 1
        )
        return await collect(plan.run(_only(request.window)))

    async def detect_language(self, request: WindowRequest) -> LanguageFound:
        """Tell the language of one window."""
        desk = self._desk(request.caller, request.row_class, admitted=request.admitted)
        found = await desk.languages(await self._extract(request.window.samples))
        return LanguageFound(*found[0], found)

    async def close(self) -> None:
        """Fail what waits, let what runs finish, and end the threads; the model goes with the engine."""
        await self._scheduler.close()
        await asyncio.to_thread(self._features.shutdown)

    def _desk(self, caller: Caller, row_class: RowClass = RowClass.NORMAL, *, admitted: bool = False) -> Desk:
        return Desk(self._scheduler, self._model.vocabulary, self._observer, caller, row_class, admitted=admitted)

    async def _extract(self, samples: Samples) -> Features:
        loop = asyncio.get_running_loop()
        try:
            computing = loop.run_in_executor(self._features, window_features, self._model.extractor, samples)
        except RuntimeError as error:  # The threads have ended.
            raise SchedulerClosedError("the server ends") from error
        return await computing


def _prepare(path: Path, settings: EngineSettings, *, word_times: bool) -> tuple[LoadedModel, EngineSettings]:
    model = load_model(path, settings)
    most = settings.schedule.max_batch or default_max_batch(model.whisper.device)
    fits = rehearse(model, WhisperRunner(model.whisper, model.vocabulary), most, word_times=word_times)
    most_ms = settings.schedule.max_batch_ms or default_max_batch_ms(model.whisper.device)
    log.info("batches of up to %d windows, or %.0f ms", fits, most_ms, extra={"max_batch": fits})
    schedule = replace(settings.schedule, max_batch=fits, max_batch_ms=most_ms)
    return model, replace(settings, schedule=schedule)


async def _only(window: Window) -> AsyncGenerator[Window, None]:
    yield window
