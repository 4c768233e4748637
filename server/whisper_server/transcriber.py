"""The way of every request, whatever protocol it came by: admit, decode, transcribe, count."""

import asyncio
import threading
import time
from dataclasses import dataclass

from whisper_server.admission import Admission
from whisper_server.audio.decode import SAMPLE_RATE, DecodeLimits, Samples, decode
from whisper_server.audio.formats import EncodedAudio
from whisper_server.engine.interface import Engine, Transcription, TranscriptionRequest
from whisper_server.engine.options import Instructions
from whisper_server.metrics import Metrics

#: Requests whose audio is decoded, or being decoded, at a time: one at the model and the next. Decoded audio is large
#: (an hour is 230 MB), so the others wait as they came.
_DECODED_AT_A_TIME = 2


@dataclass(frozen=True, slots=True)
class Job:
    """What a front end asks for.

    Attributes:
        audio: not yet decoded.
        instructions: what to do with it.
    """

    audio: EncodedAudio
    instructions: Instructions


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a front end gets.

    Attributes:
        audio_seconds: length of the audio.
    """

    transcription: Transcription
    audio_seconds: float


class Transcriber:
    """Brings jobs to the engine."""

    def __init__(self, engine: Engine, admission: Admission, limits: DecodeLimits, metrics: Metrics) -> None:
        self._engine = engine
        self._admission = admission
        self._limits = limits
        self._metrics = metrics
        self._decoded = asyncio.Semaphore(_DECODED_AT_A_TIME)

    async def transcribe(self, job: Job) -> Outcome:
        """Return what is said in `job`; cancelling the caller ends the work for it.

        Raises:
            OverloadedError: before anything is done, when too many are waiting.
            InvalidRequestError: when the audio cannot be decoded.
        """
        began = time.monotonic()
        with self._admission.admit():
            async with self._decoded:
                decoding = time.monotonic()
                samples = await self._decode(job.audio)
                decode_seconds = time.monotonic() - decoding
                transcription = await self._engine.transcribe(TranscriptionRequest(samples, job.instructions))
        outcome = Outcome(transcription, len(samples) / SAMPLE_RATE)
        self._count(outcome, time.monotonic() - began - decode_seconds)
        return outcome

    async def _decode(self, audio: EncodedAudio) -> Samples:
        cancelled = threading.Event()
        try:
            return await asyncio.to_thread(decode, audio, self._limits, cancelled)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    def _count(self, outcome: Outcome, seconds_undecoded: float) -> None:
        inference_seconds = outcome.transcription.inference_seconds
        self._metrics.audio_seconds.inc(outcome.audio_seconds)
        self._metrics.inference_seconds.inc(inference_seconds)
        self._metrics.queue_wait_seconds.observe(max(0.0, seconds_undecoded - inference_seconds))
