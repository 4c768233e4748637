"""From a published artifact to a model that has run its largest batch."""

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ctranslate2
from faster_whisper import WhisperModel
from faster_whisper.feature_extractor import FeatureExtractor

from whisper_server.engine.devices import (
    choose_compute_type,
    choose_device,
    explain,
    load_cublas,
    supported_compute_types,
    usable_cpus,
)
from whisper_server.engine.interface import EngineError
from whisper_server.engine.schedule.rows import ScheduleSettings
from whisper_server.engine.vocabulary import Vocabulary

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How the model runs.

    Attributes:
        device: auto, cuda or cpu.
        compute_types: in order of preference.
        cpu_threads: of each worker; 0 for as many as the process has CPUs.
        schedule: how much runs at a time; its `max_batch` and `max_batch_ms` 0 for what is best on the device.
    """

    device: str = "auto"
    compute_types: tuple[str, ...] = ("default",)
    cpu_threads: int = 0
    schedule: ScheduleSettings = field(default_factory=lambda: ScheduleSettings(max_batch=0, max_batch_ms=0))


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model on its device.

    Attributes:
        whisper: CTranslate2's model.
        vocabulary: its tokens.
        extractor: computes what it takes in.
    """

    whisper: Any
    vocabulary: Vocabulary
    extractor: FeatureExtractor


def load_model(path: Path, settings: EngineSettings) -> LoadedModel:
    """Load the artifact at `path`.

    Raises:
        EngineError: when device, compute type, memory or files do not allow it.
    """
    device = choose_device(settings.device)
    compute_type = choose_compute_type(settings.compute_types, supported_compute_types(device), device)
    _quieten_libraries()
    if device == "cuda":
        load_cublas()
    workers = settings.schedule.workers
    # All of them for each worker: alone it is faster, and together they take hardly more of the CPU's time.
    threads = settings.cpu_threads or usable_cpus()
    try:
        model = WhisperModel(
            str(path), device=device, compute_type=compute_type, cpu_threads=threads, num_workers=workers
        )
    except Exception as error:  # Beside RuntimeError, ValueError and MemoryError, tokenizers raises bare ones.
        raise EngineError(f"the model cannot be loaded on {device} as {compute_type}: {explain(error)}") from error
    used = {"device": device, "compute_type": model.model.compute_type, "threads": threads, "workers": workers}
    log.info("model loaded on %(device)s as %(compute_type)s", used, extra=used)
    vocabulary = Vocabulary(model.hf_tokenizer, multilingual=model.model.is_multilingual)
    return LoadedModel(model.model, vocabulary, _extractor(model))


def _extractor(model: WhisperModel) -> FeatureExtractor:
    """Return what computes features; an artifact without preprocessor_config.json does not say how many mel bands."""
    if len(model.feature_extractor.mel_filters) == model.model.n_mels:
        return model.feature_extractor
    return FeatureExtractor(feature_size=model.model.n_mels)


def _quieten_libraries() -> None:
    # CTranslate2 writes lines of its own format; what they tell is in our log and metrics.
    ctranslate2.set_log_level(logging.ERROR)
    # The voice activity detector's onnxruntime, imported with the first recording, would otherwise write an identity
    # into the home directory and report its use to its maker.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
