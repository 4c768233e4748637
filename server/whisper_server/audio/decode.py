"""Decoding what is in a container, with PyAV: to mono samples at 16 kHz, some seconds at a time."""

import contextlib
import ctypes
from collections.abc import Generator, Iterator
from typing import Protocol, cast

import av
import av.codec
from av.container import InputContainer

from whisper_server.audio.formats import Container
from whisper_server.audio.resampling import Resampler
from whisper_server.audio.samples import Samples
from whisper_server.errors import InvalidRequestError

#: Decoders' own delay and one damaged packet are no reason to refuse a file.
_LENGTH_SLACK_SECONDS = 0.5
#: What is given out at a time; of a live stream, which has no more to read, less than one of its chunks usually holds.
_BLOCK_SECONDS, _LIVE_BLOCK_SECONDS = 10, 0.08
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
            stream = _audio_stream(opened, container)
            resampler = Resampler(max_seconds, check_numbers=stream.codec_context.name.startswith("pcm_f"))
            yield from _blocks(stream, resampler, source)
            _check_length(opened, container, resampler.seconds)
    except av.error.FFmpegError as error:
        raise InvalidRequestError(f"the audio cannot be read as {container.name}: {error.strerror}") from error


def _audio_stream(opened: InputContainer, container: Container) -> av.AudioStream:
    if not opened.streams.audio:
        raise InvalidRequestError(f"the {container.name} file holds no audio")
    stream = opened.streams.audio[0]
    if stream.codec_context is None:  # Whatever its type says: the codec is not known.
        raise InvalidRequestError(f"the audio of the {container.name} file is coded in a way that is not known here")
    return stream


def _blocks(stream: av.AudioStream, resampler: Resampler, source: Source) -> Iterator[Samples]:
    """Yield blocks, large ones of what can be read at once, and what there is before waiting for more."""
    for frame in _frames(stream):
        resampler.push(frame)
        enough = _LIVE_BLOCK_SECONDS if source.starved else _BLOCK_SECONDS
        if resampler.gathered_seconds >= enough:
            yield resampler.take()
    yield resampler.take()
    yield resampler.finish()


def _frames(stream: av.AudioStream) -> Iterator[av.AudioFrame]:
    for packet in cast(InputContainer, stream.container).demux(stream):
        try:
            yield from packet.decode()
        except av.error.InvalidDataError:
            continue  # What a damaged packet cost shows in the length.


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
