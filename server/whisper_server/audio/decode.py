"""Decoding with PyAV: any format of `formats` to mono samples at 16 kHz, in bounded memory."""

import contextlib
import ctypes
import io
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import av
import av.codec
import numpy as np
import numpy.typing as npt
from av.container import InputContainer

from whisper_server.audio.formats import EncodedAudio, Format, check_rate, choose_format
from whisper_server.audio.samples import SAMPLE_RATE, Samples
from whisper_server.errors import InvalidRequestError

#: Decoders' own delay and one damaged packet are no reason to refuse a file.
_LENGTH_SLACK_SECONDS = 0.5
#: A container must not make FFmpeg open anything else: no protocol has this name.
_NO_PROTOCOL = "none"

#: A few bytes of a hostile file can claim an index of gigabytes; that of an hour of speech is a few megabytes.
_LARGEST_ALLOCATION_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """How much one request may hold.

    Attributes:
        max_seconds: of audio.
    """

    max_seconds: float


def _audio_decoders() -> Iterator[str]:
    for name in av.codec.codecs_available:
        with contextlib.suppress(av.codec.codec.UnknownCodecError):  # Some can only be encoded.
            codec = av.codec.Codec(name, "r")
            if codec.type == "audio":
                yield codec.name


#: FFmpeg opens every stream of a file to learn about it: a cover of a megabyte would be a picture of gigabytes.
_DECODERS = ",".join(sorted(set(_audio_decoders())))


def _limit_allocations() -> None:
    # PyAV has no name for it; looking it up in PyAV's own library finds the FFmpeg that this is linked with.
    limit = ctypes.CDLL(av.codec.codec.__file__).av_max_alloc
    limit.argtypes, limit.restype = (ctypes.c_size_t,), None
    limit(_LARGEST_ALLOCATION_BYTES)


_limit_allocations()


def decode(audio: EncodedAudio, limits: DecodeLimits, cancelled: threading.Event) -> Samples:
    """Return the samples of `audio`; blocking, for a thread. Ends early, with anything, once `cancelled` is set.

    Raises:
        InvalidRequestError: when it is empty, garbage, cut short, longer than `limits` allow, or not what it says.
    """
    chosen = choose_format(audio)
    options = {**chosen.options, "protocol_whitelist": _NO_PROTOCOL, "codec_whitelist": _DECODERS}
    try:
        with av.open(
            _opened(audio.data, chosen), mode="r", format=chosen.demuxer, options=options, metadata_errors="ignore"
        ) as container:
            return _decode_container(container, chosen, limits, cancelled)
    except av.error.FFmpegError as error:
        raise InvalidRequestError(f"the audio cannot be read as {chosen.name}: {error.strerror}") from error


class _ReadOnce(io.BytesIO):
    """Bytes of which FFmpeg does not know how many there are."""

    def seekable(self) -> bool:
        return False


def _opened(data: bytes, chosen: Format) -> io.BytesIO:
    return io.BytesIO(data) if chosen.needs_seeking else _ReadOnce(data)


def _decode_container(
    container: InputContainer, chosen: Format, limits: DecodeLimits, cancelled: threading.Event
) -> Samples:
    if not container.streams.audio:
        raise InvalidRequestError(f"the {chosen.name} file holds no audio")
    heard = _Heard()
    pieces = list(_resample(_count(_frames(container, cancelled), heard, limits)))
    if heard.seconds == 0:
        raise InvalidRequestError(f"the audio cannot be read as {chosen.name}: not one sample of it can be decoded")
    stated = _stated_seconds(container) if chosen.states_length else None
    if stated is not None and heard.seconds < stated - _LENGTH_SLACK_SECONDS:
        raise InvalidRequestError(
            f"the audio is cut short or damaged: {heard.seconds:.1f} s of its {stated:.1f} s can be decoded"
        )
    # No whole copy in between: an hour is 230 MB.
    samples = np.concatenate(pieces, dtype=np.float32)
    samples *= np.float32(1 / 32_768)
    return samples


@dataclass(slots=True)
class _Heard:
    seconds: float = 0.0


def _frames(container: InputContainer, cancelled: threading.Event) -> Iterator[av.AudioFrame]:
    for packet in container.demux(container.streams.audio[0]):
        if cancelled.is_set():
            return
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            continue  # What a damaged packet cost shows in the length.
        for frame in frames:
            if isinstance(frame, av.AudioFrame):
                yield frame


def _count(frames: Iterator[av.AudioFrame], heard: _Heard, limits: DecodeLimits) -> Iterator[av.AudioFrame]:
    """Count what passes, and stop before the limit is resampled and kept."""
    for frame in frames:
        check_rate(frame.sample_rate)
        heard.seconds += frame.samples / frame.sample_rate
        if heard.seconds > limits.max_seconds:
            raise InvalidRequestError(f"the audio is longer than the {limits.max_seconds:g} s that a request may hold")
        yield frame


def _resample(frames: Iterator[av.AudioFrame]) -> Iterator[npt.NDArray[np.int16]]:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    for frame in frames:
        frame.pts = None  # Gaps in a stream's clock are not to be filled.
        try:
            resampled = resampler.resample(frame)
        except ValueError as error:
            raise InvalidRequestError("the audio changes its rate or channels midway") from error
        for piece in resampled:
            yield piece.to_ndarray()[0]
    for piece in resampler.resample(None):
        yield piece.to_ndarray()[0]


def _stated_seconds(container: InputContainer) -> float | None:
    stream = container.streams.audio[0]
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    # A container's own length is also that of its pictures.
    if container.duration is not None and len(container.streams) == 1:
        return container.duration / av.time_base
    return None
