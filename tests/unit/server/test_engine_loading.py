"""What is set comes to the model, and what was chosen is told."""

import asyncio
import logging
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.server.conftest import loopback_settings
from tests.unit.server.engines import SETTINGS
from whisper_server.engine import loading
from whisper_server.engine.interface import EngineError
from whisper_server.engine.loading import EngineSettings, load_model
from whisper_server.engine.schedule.rows import ScheduleSettings
from whisper_server.engine.whisper import WhisperEngine
from whisper_server.operations.engine_metrics import EngineMetrics
from whisper_server.operations.metrics import Metrics
from whisper_server.serve import load_whisper


def test_workers_share_one_model_and_the_choice_of_arithmetic_is_told(
    published_artifact: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "whisper_server")
    schedule = ScheduleSettings(workers=3)
    settings = EngineSettings("cpu", ("float16", "float32"), 1, schedule)
    model = load_model(published_artifact, settings)
    assert model.whisper.num_workers == 3
    assert "model loaded on cpu as float32" in caplog.messages


@pytest.mark.parametrize(("asked", "used"), [(0, 5), (2, 2)])
def test_a_model_computes_with_every_cpu_unless_told_otherwise(
    published_artifact: Path, monkeypatch: pytest.MonkeyPatch, asked: int, used: int
) -> None:
    taken: list[int] = []

    def note(*_: object, cpu_threads: int, **__: object) -> None:
        taken.append(cpu_threads)
        raise RuntimeError("enough is known")

    monkeypatch.setattr(loading, "usable_cpus", lambda: 5)
    monkeypatch.setattr(loading, "WhisperModel", note)
    with pytest.raises(EngineError, match="enough is known"):
        load_model(published_artifact, replace(SETTINGS, cpu_threads=asked))
    assert taken == [used]


def test_every_setting_of_the_engine_reaches_it(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []

    async def load(path: Path, settings: EngineSettings, _observer: object, *, word_times: bool) -> None:
        given.extend((path, settings, word_times))

    monkeypatch.setattr(WhisperEngine, "load", load)
    settings = loopback_settings(
        device="cuda",
        compute_type=("float16", "int8"),
        cpu_threads=7,
        workers=3,
        max_batch=5,
        max_batch_ms=250.0,
        max_delay_ms=2.0,
        max_queued_windows=9,
    )
    artifact: Any = SimpleNamespace(path=Path("/models/one"), times_words=False)
    asyncio.run(load_whisper(settings, artifact, EngineMetrics(Metrics())))
    schedule = ScheduleSettings(max_batch=5, max_batch_ms=250, max_delay_ms=2, max_queued_windows=9, workers=3)
    assert given == [Path("/models/one"), EngineSettings("cuda", ("float16", "int8"), 7, schedule), False]
