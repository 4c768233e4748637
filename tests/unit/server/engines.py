"""The real engine with the real small model, loaded once; an observer that remembers."""

import functools
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faster_whisper.audio import decode_audio

from tests.support.models import RECORDINGS
from whisper_server.audio.samples import SAMPLE_RATE, Samples
from whisper_server.engine.interface import Caller, Transcription, TranscriptionRequest, collect
from whisper_server.engine.loading import EngineSettings, LoadedModel, load_model
from whisper_server.engine.observer import EngineObserver
from whisper_server.engine.options import DecodingOptions, Instructions
from whisper_server.engine.schedule.rows import ScheduleSettings
from whisper_server.engine.whisper import WhisperEngine

ENGLISH = sorted(path.name for path in RECORDINGS.glob("en-*.flac"))
KOREAN = sorted(path.name for path in RECORDINGS.glob("ko-*.flac"))

#: cuda, to try the engine on a GPU.
DEVICE = os.environ.get("WHISPER_TEST_DEVICE", "cpu")
SETTINGS = EngineSettings(DEVICE, cpu_threads=1, schedule=ScheduleSettings(max_batch=4))
#: Greedy, without anything to fall back to: the cheapest way to a text.
GREEDY = DecodingOptions(beam_size=1, temperatures=(0.0,))


@functools.cache
def recording(name: str) -> Samples:
    """Return a recording's samples."""
    return np.asarray(decode_audio(str(RECORDINGS / name)), dtype=np.float32)


def recordings(names: Sequence[str], pause: float = 0.0) -> Samples:
    """Return several recordings, one after the other, with pauses of so many seconds behind each."""
    silence = np.zeros(round(pause * SAMPLE_RATE), np.float32)
    return np.concatenate([part for name in names for part in (recording(name), silence)])


class Notes(EngineObserver):
    """An observer that remembers.

    Attributes:
        batches: sizes of those that ran.
        waits: of the rows that had their turn.
        depth: rows that wait.
        fallbacks: how many windows were tried again.
    """

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.waits: list[float] = []
        self.depth = 0
        self.fallbacks = 0

    def queued(self, rows: int) -> None:
        self.depth = rows

    def waited(self, seconds: float) -> None:
        self.waits.append(seconds)

    def ran(self, rows: int, seconds: float) -> None:
        self.batches.append(rows)

    def fell_back(self) -> None:
        self.fallbacks += 1


async def blocks(samples: Samples) -> AsyncIterator[Samples]:
    """Yield a recording second by second."""
    for start in range(0, len(samples), SAMPLE_RATE):
        yield samples[start : start + SAMPLE_RATE]


async def transcribe(engine: WhisperEngine, samples: Samples, **instructions: Any) -> Transcription:
    """Return what is said in `samples`, under Instructions with the fields given by name."""
    request = TranscriptionRequest(blocks(samples), Instructions(**instructions), Caller(object()))
    return await collect(engine.transcribe(request))


def text_of(heard: Transcription) -> str:
    """Return all text, without the space before it."""
    return "".join(segment.text for segment in heard.segments).strip()


@pytest.fixture(scope="session")
def model(published_artifact: Path) -> LoadedModel:
    """The model, for all tests."""
    return load_model(published_artifact, SETTINGS)


@pytest.fixture
def notes() -> Notes:
    """What the engine is observed to do."""
    return Notes()


@asynccontextmanager
async def running(model: LoadedModel, settings: EngineSettings, notes: EngineObserver) -> AsyncIterator[WhisperEngine]:
    """Run an engine on a loaded model, and close it."""
    engine = WhisperEngine(model, settings, notes)
    try:
        yield engine
    finally:
        await engine.close()


@pytest.fixture
async def engine(model: LoadedModel, notes: Notes) -> AsyncIterator[WhisperEngine]:
    """The model with a queue, which belongs to the test's event loop."""
    async with running(model, SETTINGS, notes) as engine:
        yield engine
