"""The engine on faster-whisper and CTranslate2: one request at a time."""

import asyncio
import dataclasses
import logging
import os
import threading
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
from faster_whisper import BatchedInferencePipeline, WhisperModel

from whisper_server.audio.samples import Samples
from whisper_server.audio.windows import Window
from whisper_server.engine import interface
from whisper_server.engine.devices import choose_compute_type, choose_device, supported_compute_types, usable_cpus
from whisper_server.engine.interface import (
    EngineError,
    LanguageFound,
    Segment,
    Transcription,
    TranscriptionRequest,
    Update,
    WindowRequest,
    Word,
)
from whisper_server.engine.options import Instructions
from whisper_server.engine.worker import OneAtATime

log = logging.getLogger(__name__)


class WhisperEngine(interface.Engine):
    """A model that works on one request at a time, in a thread of its own.

    A recording is cut into windows of at most 30 s where voice activity detection finds pauses. Each window is decoded
    by itself, without the text before it, so that what is written depends on nothing but what is heard.
    """

    def __init__(self, model: WhisperModel, worker: OneAtATime) -> None:
        self.broken = asyncio.Event()
        self._model = model
        self._worker = worker

    @classmethod
    async def load(cls, path: Path, device: str, compute_types: tuple[str, ...], cpu_threads: int) -> "WhisperEngine":
        """Load the artifact at `path`, in the thread that will work with it.

        Args:
            path: a published artifact.
            device: auto, cuda or cpu.
            compute_types: in order of preference.
            cpu_threads: 0 for as many as the process has CPUs.

        Raises:
            EngineError: when device, compute type, memory or files do not allow it.
        """
        worker = OneAtATime("whisper-engine")
        model = await worker.run(lambda _: _load(path, device, compute_types, cpu_threads or usable_cpus()))
        return cls(model, worker)

    @property
    def device(self) -> str:
        """Where the model runs: cpu or cuda."""
        return str(self._model.model.device)

    @property
    def compute_type(self) -> str:
        """How it calculates; what `default` and `auto` came to."""
        return str(self._model.model.compute_type)

    @property
    def full(self) -> bool:
        """Never: requests are counted before they come here."""
        return False

    async def transcribe(self, request: TranscriptionRequest) -> AsyncGenerator[Update, None]:
        """Transcribe `request` when its turn comes."""
        samples = np.concatenate([block async for block in request.blocks])
        heard = await self._worker.run(lambda cancelled: self._transcribe(samples, request.instructions, cancelled))
        yield heard.language
        for segment in heard.segments:
            yield segment

    async def hear(self, request: WindowRequest) -> Transcription:
        """Write down one window."""
        instructions = dataclasses.replace(request.instructions, vad=None)
        window = request.window
        heard = await self._worker.run(lambda cancelled: self._transcribe(window.samples, instructions, cancelled))
        return Transcription(heard.language, tuple(_in_recording(segment, window) for segment in heard.segments))

    async def detect_language(self, request: WindowRequest) -> LanguageFound:
        """Tell the language of one window."""
        samples = request.window.samples
        language, probability, found = await self._worker.run(lambda _: self._model.detect_language(samples))
        return LanguageFound(language, probability, tuple(found))

    async def close(self) -> None:
        """Let the model go."""

    def _transcribe(self, samples: Samples, instructions: Instructions, cancelled: threading.Event) -> Transcription:
        # One for each request: it keeps the time of the last word, and would take a given-up request's to the next.
        found, info = BatchedInferencePipeline(self._model).transcribe(
            samples, batch_size=1, **_arguments(instructions)
        )
        segments = []
        for segment in found:  # Each step is one window's work.
            if cancelled.is_set():
                break
            if segment.text.strip():
                segments.append(_segment(segment))
        return Transcription(LanguageFound(info.language, info.language_probability), tuple(segments))


def _arguments(instructions: Instructions) -> dict[str, Any]:
    decoding, context = instructions.decoding, instructions.context
    return {
        "language": instructions.language,
        "task": instructions.task.value,
        "multilingual": instructions.multilingual,
        "initial_prompt": context.initial_prompt,
        "hotwords": context.hotwords,
        "word_timestamps": instructions.word_times,
        "beam_size": decoding.beam_size,
        "patience": decoding.patience,
        "length_penalty": decoding.length_penalty,
        "repetition_penalty": decoding.repetition_penalty,
        "no_repeat_ngram_size": decoding.no_repeat_ngram_size,
        "temperature": decoding.temperatures[0],
        "suppress_blank": decoding.suppress_blank,
        "suppress_tokens": list(decoding.suppress_tokens),
        "without_timestamps": not decoding.timestamps,
        "max_new_tokens": decoding.max_new_tokens,
        "vad_filter": instructions.vad is not None,
        "vad_parameters": None if instructions.vad is None else dataclasses.asdict(instructions.vad),
    }


def _load(path: Path, device: str, compute_types: tuple[str, ...], threads: int) -> WhisperModel:
    device = choose_device(device)
    compute_type = choose_compute_type(compute_types, supported_compute_types(device), device)
    _quieten_libraries()
    try:
        model = WhisperModel(str(path), device=device, compute_type=compute_type, cpu_threads=threads)
    except Exception as error:  # Beside RuntimeError, ValueError and MemoryError, tokenizers raises bare ones.
        raise EngineError(f"the model cannot be loaded on {device} as {compute_type}: {error}") from error
    used = {"device": device, "compute_type": model.model.compute_type, "threads": threads}
    log.info("model loaded on %(device)s as %(compute_type)s", used, extra=used)
    return model


def _quieten_libraries() -> None:
    # CTranslate2 writes lines of its own format; what they tell is in our log and metrics.
    ctranslate2.set_log_level(logging.ERROR)
    # The voice activity detector's onnxruntime, imported with the first recording, would otherwise write an identity
    # into the home directory and report its use to its maker.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"


def _in_recording(segment: Segment, window: Window) -> Segment:
    time = window.recording_time
    words = tuple(dataclasses.replace(word, start=time(word.start), end=time(word.end)) for word in segment.words)
    return dataclasses.replace(segment, start=time(segment.start), end=time(segment.end), words=words)


def _segment(segment: Any) -> Segment:
    return Segment(
        text=segment.text,
        start=segment.start,
        end=segment.end,
        mean_log_probability=segment.avg_logprob,
        tokens=len(segment.tokens) + 1,  # faster-whisper's mean counts the end of text.
        words=tuple(Word(word.word, word.start, word.end, word.probability) for word in segment.words or ()),
        no_speech_probability=segment.no_speech_prob,
        compression_ratio=segment.compression_ratio,
        temperature=segment.temperature,
    )
