"""A real inference before the first request: it proves model and device, and pays what only the first one costs."""

import asyncio
import threading
from importlib import resources

from whisper_server.audio.decode import DecodeLimits, decode
from whisper_server.audio.formats import EncodedAudio
from whisper_server.engine.interface import Engine, Transcription, TranscriptionRequest

#: 1.5 s of speech, made for this project with a speech synthesiser: tests/fixtures/recordings/en-00.flac.
_CLIP = "warm_up.flac"


async def warm_up(engine: Engine) -> Transcription:
    """Transcribe the bundled clip the way requests are; whatever it raises means that the server cannot serve."""
    clip = resources.files("whisper_server").joinpath(_CLIP).read_bytes()
    samples = await asyncio.to_thread(decode, EncodedAudio(clip), DecodeLimits(max_seconds=60), threading.Event())
    # Word times have kernels of their own, so they are asked for too.
    return await engine.transcribe(TranscriptionRequest(samples, word_times=True))
