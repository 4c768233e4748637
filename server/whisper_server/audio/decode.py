"""Decoding what is in a container, with PyAV: to mono samples at 16 kHz, some seconds at a time."""

import contextlib
import ctypes
from collections.abc import Generator, Iterator
from typing import Protocol

import av
import av.codec
import numpy as np
import numpy.typing as npt
from av.codec.context import CodecContext
from av.container import InputContainer

from whisper_server.audio.formats import Container
from whisper_server.audio.resampling import Resampler, block
from whisper_server.audio.samples import SAMPLE_RATE, Samples
from whisper_server.errors import InvalidRequestError

#: Decoders' own delay and one damaged packet are no reason to refuse a file.
_LENGTH_SLACK_SECONDS = 0.5
#: What is given out at a time, unless what is there to read is less.
_BLOCK_SAMPLES = 10 * SAMPLE_RATE
#: A container must not make FFmpeg open anything else: no protocol has this name.
_NO_PROTOCOL = "none"
#: FFmpeg would read up to 5 MB, or 5 s, to learn more of streams that tell enough of themselves in their headers.
_PROBE_BYTES = "32"

#: A few bytes of a hostile file can claim an index of gigabytes; that of an hour of speech is a few megabytes.
_LARGEST_ALLOCATION_BYTES = 256 * 1024 * 1024


class Source(Protocol):
    """Bytes that FFmpeg reads; it also seeks in them if there are `seek` and `tell`."""

    @property
    def starved(self) -> bool:
        """Whether reading on would have to wait."""

    def read(self, size: int) -> bytes:
        """Return 1 to `size` bytes, none at the end."""


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


def container_blocks(source: Source, container: Container, max_seconds: float) -> Generator[Samples]:
    """Yield the samples in `source`; blocking, for a thread.

    Raises:
        InvalidRequestError: when it is garbage, cut short, longer than `max_seconds`, or not what it says.
    """
    options = {"protocol_whitelist": _NO_PROTOCOL, "codec_whitelist": _DECODERS}
    if not container.needs_seeking:
        options["probesize"] = _PROBE_BYTES
    try:
        with av.open(source, "r", format=container.demuxer, options=options, metadata_errors="ignore") as opened:
            if not opened.streams.audio:
                raise InvalidRequestError(f"the {container.name} file holds no audio")
            resampler = Resampler(max_seconds, check_numbers=_holds_floats(opened))
            yield from _gathered(_resampled(opened, resampler), source)
            _check_length(opened, container, resampler.seconds)
    except av.error.FFmpegError as error:
        raise InvalidRequestError(f"the audio cannot be read as {container.name}: {error.strerror}") from error


def _holds_floats(opened: InputContainer) -> bool:
    codec: CodecContext | None = opened.streams.audio[0].codec_context  # None for a codec that is not known
    return codec is not None and codec.name.startswith("pcm_f")


def _resampled(opened: InputContainer, resampler: Resampler) -> Iterator[list[npt.NDArray[np.int16]]]:
    for packet in opened.demux(opened.streams.audio[0]):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            continue  # What a damaged packet cost shows in the length.
        for frame in frames:
            if isinstance(frame, av.AudioFrame):
                yield resampler.push(frame)
    yield resampler.finish()


def _gathered(pieces: Iterator[list[npt.NDArray[np.int16]]], source: Source) -> Iterator[Samples]:
    """Yield blocks, large ones of what can be read at once, and what there is before waiting for more."""
    gathered: list[npt.NDArray[np.int16]] = []
    length = 0
    for some in pieces:
        gathered += some
        length += sum(map(len, some))
        if length >= _BLOCK_SAMPLES or (length and source.starved):
            yield block(gathered)
            gathered, length = [], 0
    if length:
        yield block(gathered)


def _check_length(opened: InputContainer, container: Container, seconds: float) -> None:
    if seconds == 0:
        raise InvalidRequestError(f"the audio cannot be read as {container.name}: not one sample of it can be decoded")
    stated = _stated_seconds(opened) if container.states_length else None
    if stated is not None and seconds < stated - _LENGTH_SLACK_SECONDS:
        raise InvalidRequestError(
            f"the audio is cut short or damaged: {seconds:.1f} s of its {stated:.1f} s can be decoded"
        )


def _stated_seconds(opened: InputContainer) -> float | None:
    stream = opened.streams.audio[0]
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    # A container's own length is also that of its pictures.
    if opened.duration is not None and len(opened.streams) == 1:
        return opened.duration / av.time_base
    return None
