"""The life of the process: probes first, then the model, then calls, and an orderly end on SIGTERM."""

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from typing import Any, NoReturn, TypeVar

from whisper_contract.digest import short_digest
from whisper_server.admission import Admission
from whisper_server.artifact import Artifact
from whisper_server.audio.limits import DecodeLimits
from whisper_server.audio.spool import Spool
from whisper_server.configuration.settings import Settings
from whisper_server.engine.interface import Engine, EngineError
from whisper_server.engine.loading import EngineSettings
from whisper_server.engine.schedule.rows import ScheduleSettings
from whisper_server.engine.whisper import WhisperEngine
from whisper_server.front_ends import FrontEnds
from whisper_server.golden_clip import GoldenClip, GoldenClipError
from whisper_server.http.openai import openai_server
from whisper_server.operations.engine_metrics import EngineMetrics
from whisper_server.operations.lifecycle import Lifecycle, Phase
from whisper_server.operations.metrics import Metrics
from whisper_server.operations.probes import probe_application, serving_probes
from whisper_server.patience import Patience
from whisper_server.profanity import ProfanityFilter
from whisper_server.rpc.calls import Calls
from whisper_server.rpc.riva import RivaSpeechRecognition
from whisper_server.rpc.server import RpcServer
from whisper_server.rpc.transcription import Transcription
from whisper_server.security.mounted import MountedFileError
from whisper_server.security.secured import Security
from whisper_server.served_model import ServedModel
from whisper_server.transcriber import Transcriber
from whisper_server.warm_up import warm_up

_T = TypeVar("_T")

#: For the answers of calls that have failed to reach their callers.
_LAST_WORDS_SECONDS = 2.0

log = logging.getLogger(__name__)


class WarmUpError(Exception):
    """The model cannot be loaded, or does not work, on the device; the text is one sentence."""


class BrokenError(Exception):
    """The device failed while the server ran, and will not work again; the text is one sentence."""


class _StopSignals:
    """SIGTERM and SIGINT: the first asks for an orderly end, the second for one at once."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._notice)

    def _notice(self) -> None:
        (self.second if self.first.is_set() else self.first).set()


#: Loads the model that the settings ask for; EngineError when that cannot be.
LoadEngine = Callable[[Settings, Artifact, EngineMetrics], Awaitable[Engine]]


async def load_whisper(settings: Settings, artifact: Artifact, observer: EngineMetrics) -> Engine:
    """Load `artifact` into CTranslate2."""
    schedule = ScheduleSettings(
        max_batch=settings.max_batch,
        max_batch_ms=settings.max_batch_ms,
        max_delay_ms=settings.max_delay_ms,
        max_queued_windows=settings.max_queued_windows,
        workers=settings.workers,
    )
    engine_settings = EngineSettings(settings.device, settings.compute_type, settings.cpu_threads, schedule)
    return await WhisperEngine.load(artifact.path, engine_settings, observer, word_times=artifact.times_words)


async def serve(settings: Settings, artifact: Artifact, load_engine: LoadEngine = load_whisper) -> None:
    """Serve `artifact` until a signal asks to end.

    Raises:
        WarmUpError: when the model does not work here.
        GoldenClipError: when it works, and hears wrongly.
        BrokenError: when it worked, and works no more.
        MountedFileError: when tokens, certificates, the words to mask or the golden clip are not as they should be.
        OSError: when a port is taken.
    """
    signals, lifecycle, metrics = _StopSignals(), Lifecycle(), Metrics()
    security = Security.open(settings, metrics)
    profanity = ProfanityFilter.read(settings.profanity_words_file) if settings.profanity_words_file else None
    golden_clip = _read_golden_clip(settings)
    probes = probe_application(lifecycle, metrics)
    serving = serving_probes(probes, settings.host, settings.probe_port, share_port=settings.share_ports)
    async with _beating(lifecycle), serving as probe_port:
        log.info("loading %s; probes on port %d", artifact.path, probe_port, extra={"probe_port": probe_port})
        loading = load_engine(settings, artifact, EngineMetrics(metrics))
        engine = await _unless(signals.first, _prepare_engine(loading, artifact, golden_clip))
        if engine is None:
            return
        _tell_model(metrics, settings, artifact, engine)
        front_ends = _build_front_ends(settings, artifact, engine, metrics, security, profanity)
        ports = await front_ends.start()
        lifecycle.phase = Phase.READY
        log.info("ready; %s", ports.sentence(), extra=ports.fields())
        await _unless(engine.broken, signals.first.wait())
        if not engine.broken.is_set():
            lifecycle.phase = Phase.DRAINING
            await _unless(engine.broken, _drain(front_ends, settings, signals.second))
        if engine.broken.is_set():
            lifecycle.phase = Phase.BROKEN
            await _give_up(front_ends, engine)


@contextlib.asynccontextmanager
async def _beating(lifecycle: Lifecycle) -> AsyncGenerator[None, None]:
    beating = asyncio.create_task(lifecycle.beat())
    try:
        yield
    finally:
        beating.cancel()


def _read_golden_clip(settings: Settings) -> GoldenClip | None:
    audio, text = settings.golden_clip_file, settings.golden_text_file
    return GoldenClip.read(audio, text, settings.golden_max_word_error_percent) if audio and text else None


async def _prepare_engine(loading: Awaitable[Engine], artifact: Artifact, golden_clip: GoldenClip | None) -> Engine:
    try:
        engine = await loading
    except EngineError as error:
        raise WarmUpError(str(error)) from error
    try:
        began = time.monotonic()
        await warm_up(engine, word_times=artifact.times_words)
    except Exception as error:  # Whatever it is, it would meet every request too.
        raise WarmUpError(f"the bundled clip cannot be transcribed on {engine.device}: {error}") from error
    log.info("warmed up in %.3f s", time.monotonic() - began)
    if golden_clip is not None:
        await _check(golden_clip, engine)
    return engine


async def _check(golden_clip: GoldenClip, engine: Engine) -> None:
    try:
        percent = await golden_clip.check(engine)
    except (GoldenClipError, MountedFileError):
        raise
    except Exception as error:
        raise WarmUpError(f"the golden clip cannot be transcribed on {engine.device}: {error}") from error
    log.info("the golden clip came out with %.0f %% of word errors", percent)


async def _unless(event: asyncio.Event, work: Coroutine[Any, Any, _T]) -> _T | None:
    """Return what `work` returns, or None when `event` comes first."""
    working, waiting = asyncio.create_task(work), asyncio.create_task(event.wait())
    await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if working.done():
        return working.result()
    working.cancel()
    return None


def _tell_model(metrics: Metrics, settings: Settings, artifact: Artifact, engine: Engine) -> None:
    metrics.model.info(
        {
            "model": settings.model_name[0],
            "digest": short_digest(artifact.manifest.digest),
            "quantization": artifact.manifest.quantization,
            "device": engine.device,
            "compute_type": engine.compute_type,
        }
    )


def _build_front_ends(
    settings: Settings,
    artifact: Artifact,
    engine: Engine,
    metrics: Metrics,
    security: Security,
    profanity: ProfanityFilter | None,
) -> FrontEnds:
    manifest = artifact.manifest
    model = ServedModel(
        settings.model_name,
        manifest.digest,
        manifest.languages,
        multilingual=manifest.multilingual,
        times_words=artifact.times_words,
        device=engine.device,
        compute_type=engine.compute_type,
        created=artifact.created,
    )
    admission = Admission(settings.max_requests, metrics, settings.max_streams)
    transcriber = Transcriber(engine, admission, _decode_limits(settings), metrics)
    calls = Calls(metrics, Patience.of(settings))
    services = (
        RivaSpeechRecognition(transcriber, model, calls, profanity).service(),
        Transcription(transcriber, model, settings, calls).service(),
    )
    rpc = RpcServer(settings, services, calls, security)
    scheme = "http" if settings.tls_certificate_file is None else "https"
    http = openai_server(settings, transcriber, model, metrics, security)
    return FrontEnds(rpc, http, scheme if settings.http_page else None)


def _decode_limits(settings: Settings) -> DecodeLimits:
    spool = Spool(settings.spool_directory, settings.max_spool_bytes)
    return DecodeLimits(settings.max_audio_seconds, max(settings.max_upload_bytes, settings.max_message_bytes), spool)


async def _give_up(front_ends: FrontEnds, engine: Engine) -> NoReturn:
    """End a server whose device is broken: the engine has failed every call, and callers only need to hear of it."""
    log.critical("ending: the device %s works no more, and every call has failed", engine.device)
    await front_ends.announce_end()
    await front_ends.stop(_LAST_WORDS_SECONDS)
    raise BrokenError(f"the model failed on device {engine.device}, which will not work again in this process")


async def _drain(front_ends: FrontEnds, settings: Settings, hurry: asyncio.Event) -> None:
    log.info(
        "ending: new calls are taken for %d s and until clients have left, then those in flight have %d s; "
        "a second signal ends at once",
        settings.drain_delay_seconds,
        settings.grace_seconds,
    )
    await front_ends.announce_end()
    await _unless(hurry, _see_off(front_ends, settings))
    await _unless(hurry, front_ends.stop(settings.grace_seconds))
    log.info("ended")


async def _see_off(front_ends: FrontEnds, settings: Settings) -> None:
    if settings.drain_delay_seconds:
        await asyncio.sleep(settings.drain_delay_seconds)
        await front_ends.wait_for_departures()
