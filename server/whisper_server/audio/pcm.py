"""Samples as they are: every few bytes are one, and FFmpeg's decoders need nothing before or after them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import av
from av.audio.codeccontext import AudioCodecContext

from whisper_server.errors import InvalidRequestError

#: Sampling rates in Hz that are taken: from telephone codecs to studio recordings.
MIN_RATE, MAX_RATE = 4_000, 384_000
MAX_CHANNELS = 32

#: FFmpeg knows where so many loudspeakers stand, and mixes them accordingly.
_MOST_WITH_PLACES = 8
#: What is decoded at a time, unless less comes.
_PORTION_SECONDS, _PORTION_BYTES = 10, 1024**2


def check_rate(rate: int) -> None:
    """Raise InvalidRequestError unless `rate`, in Hz, is one that is taken."""
    if not MIN_RATE <= rate <= MAX_RATE:
        raise InvalidRequestError(f"a sample rate of {rate} Hz cannot be read: {MIN_RATE} to {MAX_RATE} Hz can")


@dataclass(frozen=True, slots=True)
class PcmFormat:
    """What bytes are as samples.

    Attributes:
        name: for people.
        codec: FFmpeg's name of the decoder.
        sample_bytes: of one channel.
        rate: in Hz.
        channels: interleaved.

    Raises:
        InvalidRequestError: when rate or channels are out of bounds.
    """

    name: str
    codec: str
    sample_bytes: int
    rate: int
    channels: int

    def __post_init__(self) -> None:
        check_rate(self.rate)
        if not 1 <= self.channels <= MAX_CHANNELS:
            raise InvalidRequestError(
                f"{self.name} audio of {self.channels} channels cannot be read: 1 to {MAX_CHANNELS} can"
            )

    @property
    def frame_bytes(self) -> int:
        """Return the bytes of one moment, in all channels."""
        return self.sample_bytes * self.channels


class PcmDecoder:
    """Decodes the bytes of one recording, wherever they are divided, with no delay."""

    def __init__(self, pcm: PcmFormat) -> None:
        self._pcm = pcm
        self._mixes = pcm.channels > _MOST_WITH_PLACES
        self._context = cast(AudioCodecContext, av.CodecContext.create(pcm.codec, "r"))
        self._context.sample_rate = pcm.rate
        self._context.layout = "mono" if self._mixes else {1: "mono", 2: "stereo"}.get(pcm.channels, f"{pcm.channels}C")
        self._begun = b""

    def portions(self, data: bytes | memoryview) -> Iterator[av.AudioFrame]:
        """Yield what is in the next bytes, some seconds at a time; what is not whole waits for the next call."""
        if self._begun:
            data = self._begun + data
        view, frame_bytes = memoryview(data), self._pcm.frame_bytes
        whole = len(view) // frame_bytes * frame_bytes
        self._begun = bytes(view[whole:])
        step = min(_PORTION_SECONDS * self._pcm.rate, _PORTION_BYTES // frame_bytes) * frame_bytes
        for start in range(0, whole, step):
            yield self._decode(view[start : min(start + step, whole)])

    def _decode(self, data: memoryview) -> av.AudioFrame:
        (frame,) = self._context.decode(av.Packet(bytes(data)))
        return self._mix(frame) if self._mixes else frame

    def _mix(self, frame: av.AudioFrame) -> av.AudioFrame:
        samples = frame.to_ndarray().reshape(-1, self._pcm.channels)
        mixed = samples.mean(axis=1, keepdims=True).astype(samples.dtype).T
        mono = av.AudioFrame.from_ndarray(mixed, format=frame.format.name, layout="mono")
        mono.sample_rate = self._pcm.rate
        return mono
