"""A real inference before the first request: it proves model and device, and pays what only the first one costs."""

from importlib import resources

from whisper_server.audio.formats import AudioHint
from whisper_server.audio.limits import DecodeLimits
from whisper_server.audio.stream import decoded, whole
from whisper_server.engine.interface import Caller, Engine, Transcription, TranscriptionRequest, collect
from whisper_server.engine.options import Instructions

#: 1.5 s of speech, made for this project with a speech synthesiser: tests/fixtures/recordings/en-00.flac.
_CLIP = "warm_up.flac"
_MAX_SECONDS = 300


async def warm_up(engine: Engine, *, word_times: bool) -> Transcription:
    """Transcribe the bundled clip the way requests are; whatever it raises means that the server cannot serve.

    Args:
        engine: the one to warm up.
        word_times: whether the model can tell them; they have kernels of their own.
    """
    clip = resources.files("whisper_server").joinpath(_CLIP).read_bytes()
    return await transcribe_clip(engine, clip, word_times=word_times)


async def transcribe_clip(engine: Engine, clip: bytes, *, word_times: bool) -> Transcription:
    """Transcribe the bytes of an audio file the way requests are.

    Raises:
        InvalidRequestError: when they are no audio, or more than is read of a clip.
        TooLargeError: likewise.
    """
    blocks = decoded(AudioHint(), whole(clip), DecodeLimits(max_seconds=_MAX_SECONDS))
    request = TranscriptionRequest(blocks, Instructions(word_times=word_times), Caller("warm-up"))
    return await collect(engine.transcribe(request))
