"""The header of a WAV file, read as it comes (http://soundfile.sapp.org/doc/WaveFormat/, EBU Tech 3306 for RF64)."""

import struct
from dataclasses import dataclass

from whisper_server.audio.pcm import PcmFormat
from whisper_server.errors import InvalidRequestError

#: Writers that cannot seek back leave 0 or about 2³¹ or 2³² as the size.
_UNKNOWN_SIZE = 0x7FFF_0000
#: Some writers count the header's own bytes, or forget those of trailing chunks.
_SLACK_BYTES = 64
#: Pictures and notes may stand before the samples.
MAX_HEADER_BYTES = 1024**2
_RIFF_HEADER_BYTES, _CHUNK_HEADER_BYTES = 12, 8
#: The part of a format chunk that all have, and that of an extensible one up to its own format tag.
_FORMAT, _FORMAT_BYTES, _EXTENSIBLE_TAG_AT = struct.Struct("<HHIIHH"), 16, 24
_EXTENSIBLE = 0xFFFE
#: Format tag and bits to FFmpeg's decoder. Others, like ADPCM, are no samples as they are.
_CODECS = {
    (1, 8): "pcm_u8",
    (1, 16): "pcm_s16le",
    (1, 24): "pcm_s24le",
    (1, 32): "pcm_s32le",
    (3, 32): "pcm_f32le",
    (3, 64): "pcm_f64le",
    (6, 8): "pcm_alaw",
    (7, 8): "pcm_mulaw",
}


@dataclass(frozen=True, slots=True)
class WavLayout:
    """What a WAV header tells.

    Attributes:
        pcm: what the samples are; None when only FFmpeg can tell.
        data_at: where in the file they begin.
        data_bytes: how many bytes of them follow; None when the writer did not know.
        stated_bytes: of the whole file; None likewise.
    """

    pcm: PcmFormat | None
    data_at: int
    data_bytes: int | None
    stated_bytes: int | None

    def check_whole(self, received: int) -> None:
        """Raise InvalidRequestError when `received` bytes are fewer than the header says."""
        stated = self.stated_bytes
        if self.pcm is not None:
            stated = None if self.data_bytes is None else self.data_at + self.data_bytes
        if stated is not None and stated > received + _SLACK_BYTES:
            raise InvalidRequestError(
                f"the audio is cut short: {received} of the {stated} bytes of its WAV file are here"
            )


class WavHeader:
    """Reads one header."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._at = _RIFF_HEADER_BYTES
        self._pcm: PcmFormat | None = None
        self._wide_data_bytes: int | None = None

    def push(self, data: bytes | memoryview) -> WavLayout | None:
        """Take the next bytes; return what the header tells, once it is there.

        Raises:
            InvalidRequestError: when it makes no sense.
        """
        self._data += data
        if len(self._data) < _RIFF_HEADER_BYTES:
            return None
        if self._data[8:12] != b"WAVE":
            raise InvalidRequestError("the audio cannot be read as WAV: its header is of something else")
        while len(self._data) >= self._at + _CHUNK_HEADER_BYTES:
            name, size = struct.unpack_from("<4sI", self._data, self._at)
            if name == b"data":
                return self._layout(size)
            if len(self._data) < self._at + _CHUNK_HEADER_BYTES + size:
                break
            self._read(name, self._at + _CHUNK_HEADER_BYTES, size)
            self._at += _CHUNK_HEADER_BYTES + size + size % 2
        return self._layout(None) if len(self._data) >= MAX_HEADER_BYTES else None

    @property
    def taken(self) -> bytes:
        """Return all that was pushed."""
        return bytes(self._data)

    def cut_short(self) -> InvalidRequestError:
        """Return the error of a file that ends before its samples."""
        return InvalidRequestError(f"the audio is cut short: its WAV header is not whole in {len(self._data)} bytes")

    def _read(self, name: bytes, at: int, size: int) -> None:
        if name == b"fmt " and size >= _FORMAT_BYTES:
            self._pcm = self._read_format(at, size)
        elif name == b"ds64" and size >= _RIFF_HEADER_BYTES + 4:
            self._wide_data_bytes = int.from_bytes(self._data[at + 8 : at + 16], "little")

    def _read_format(self, at: int, size: int) -> PcmFormat | None:
        tag, channels, rate, _, block, bits = _FORMAT.unpack_from(self._data, at)
        if tag == _EXTENSIBLE and size >= _EXTENSIBLE_TAG_AT + 2:
            tag = int.from_bytes(self._data[at + _EXTENSIBLE_TAG_AT : at + _EXTENSIBLE_TAG_AT + 2], "little")
        codec = _CODECS.get((tag, bits))
        if codec is None or block != channels * bits // 8:
            return None
        return PcmFormat("WAV", codec, bits // 8, rate, channels)

    def _layout(self, size: int | None) -> WavLayout:
        """Return what is known, with `size` as the samples have it; None when the header has no end here."""
        riff_bytes = _known(int.from_bytes(self._data[4:8], "little"))
        return WavLayout(
            pcm=None if size is None else self._pcm,
            data_at=self._at + _CHUNK_HEADER_BYTES,
            data_bytes=self._wide_data_bytes or _known(size or 0),
            stated_bytes=None if riff_bytes is None else riff_bytes + _CHUNK_HEADER_BYTES,
        )


def _known(size: int) -> int | None:
    return size if 0 < size < _UNKNOWN_SIZE else None
