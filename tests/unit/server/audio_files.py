"""Audio for tests: the same tone in every container, encoding and kind of damage."""

import asyncio
import functools
import io
import struct
import wave
from collections.abc import AsyncIterator, Iterable

import av
import numpy as np
import numpy.typing as npt
from faster_whisper.audio import decode_audio

from tests.support.models import RECORDINGS
from whisper_server.audio.formats import AudioHint
from whisper_server.audio.limits import DecodeLimits
from whisper_server.audio.samples import Samples
from whisper_server.audio.stream import decoded

RATE = 16_000
SECONDS = 2.0
UNKNOWN, LIMITS = AudioHint(), DecodeLimits(max_seconds=60)

Pcm = npt.NDArray[np.int16]


def tone(rate: int = RATE, seconds: float = SECONDS) -> Pcm:
    """Return a tone of 440 Hz that swells and fades."""
    time = np.arange(int(rate * seconds)) / rate
    return np.asarray(12_000 * np.sin(2 * np.pi * 440 * time) * np.sin(np.pi * time / seconds), dtype=np.int16)


def wav(samples: Pcm, rate: int = RATE, channels: int = 1) -> bytes:
    """Return a WAV file of interleaved samples."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return buffer.getvalue()


@functools.cache
def encode(container: str, codec: str, rate: int = RATE) -> bytes:
    """Return the tone in a container, written by FFmpeg."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        _add_tone(output, codec, rate)
    return buffer.getvalue()


def live(container: str, codec: str, seconds: float) -> bytes:
    """Return the tone as one records it live, with no length in the header."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container, options={"live": "1"}) as output:
        _add_tone(output, codec, 48_000, seconds)
    return buffer.getvalue()


def ogg_opus_of_short_pages() -> list[bytes]:
    """Return the tone in Ogg Opus, page by page: two of headers, then one for each 20 ms."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="ogg", options={"page_duration": "20000"}) as output:
        _add_tone(output, "libopus", 48_000)
    return [b"OggS" + page for page in buffer.getvalue().split(b"OggS")[1:]]


def caf_of_noise(size: int) -> bytes:
    """Return a file that FFmpeg seeks in, of `size` bytes of samples."""
    described = struct.pack(">d4sIIIII", RATE, b"lpcm", 2, 2, 1, 1, 16)
    data = bytes(4) + np.random.default_rng(0).bytes(size)
    chunks = [(b"desc", described), (b"data", data)]
    return b"caff\0\1\0\0" + b"".join(name + len(body).to_bytes(8) + body for name, body in chunks)


def _add_tone(output: av.container.OutputContainer, codec: str, rate: int, seconds: float = SECONDS) -> None:
    stream = output.add_stream(codec, rate=rate, layout="mono")
    assert isinstance(stream, av.AudioStream)
    frame = av.AudioFrame.from_ndarray(tone(seconds=seconds)[None, :], format="s16", layout="mono")
    frame.rate = RATE
    resampler = av.AudioResampler(format=stream.format.name, layout="mono", rate=rate)
    for piece in (*resampler.resample(frame), *resampler.resample(None)):
        output.mux(stream.encode(piece))
    output.mux(stream.encode(None))


def video_without_sound() -> bytes:
    """Return an MP4 file with pictures only."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as output:
        stream = output.add_stream("mpeg4", rate=25, width=64, height=64, pix_fmt="yuv420p")
        assert isinstance(stream, av.VideoStream)
        for _ in range(5):
            picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))
    return buffer.getvalue()


def video_with_sound() -> bytes:
    """Return an MP4 file with pictures that outlast the tone."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as output:
        pictures = output.add_stream("mpeg4", rate=25, width=64, height=64, pix_fmt="yuv420p")
        assert isinstance(pictures, av.VideoStream)
        _add_tone(output, "aac", RATE)
        for _ in range(25 * 4):
            picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            output.mux(pictures.encode(picture))
        output.mux(pictures.encode(None))
    return buffer.getvalue()


def samples_of(chunks: Iterable[bytes], hint: AudioHint = UNKNOWN, limits: DecodeLimits = LIMITS) -> Samples:
    """Return what comes of audio that is sent in `chunks`."""

    async def decode() -> Samples:
        async def sent() -> AsyncIterator[bytes]:
            for chunk in chunks:
                yield chunk

        return np.concatenate([block async for block in decoded(hint, sent(), limits)])

    return asyncio.run(decode())


@functools.cache
def speech_with_pauses() -> Samples:
    """Return every recording of the fixtures, with silence and noise of different lengths between them."""
    random = np.random.default_rng(6)
    parts: list[Samples] = []
    for number, path in enumerate(sorted(RECORDINGS.glob("*.flac"))):
        parts.append(random.normal(0, 0.001, int(RATE * 0.31 * number)).astype(np.float32))
        parts.append(decode_audio(str(path)))
    speech = np.concatenate(parts)
    speech.flags.writeable = False
    return speech
