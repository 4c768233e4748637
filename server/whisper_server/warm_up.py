"""A real inference before the first request: it proves model and device, and pays what only the first one costs."""

import asyncio
import threading
from importlib import resources

from whisper_server.audio.decode import DecodeLimits, decode
from whisper_server.audio.formats import EncodedAudio
from whisper_server.engine.interface import Engine, Transcription, TranscriptionRequest
from whisper_server.engine.options import Instructions

#: 1.5 s of speech, made for this project with a speech synthesiser: tests/fixtures/recordings/en-00.flac.
_CLIP = "warm_up.flac"


async def warm_up(engine: Engine, *, word_times: bool) -> Transcription:
    """Transcribe the bundled clip the way requests are; whatever it raises means that the server cannot serve.

    Args:
        engine: the one to warm up.
        word_times: whether the model can tell them; they have kernels of their own.
    """
    clip = resources.files("whisper_server").joinpath(_CLIP).read_bytes()
    samples = await asyncio.to_thread(decode, EncodedAudio(clip), DecodeLimits(max_seconds=60), threading.Event())
    return await engine.transcribe(TranscriptionRequest(samples, Instructions(word_times=word_times)))
