"""Decompresses what is made of frames one after the other: zstd (RFC 8878), gzip (RFC 1952).

The libraries' file objects read in small pieces and buffer once more; here whole chunks go through, once.
"""

from collections.abc import Callable
from typing import Protocol

from isal import isal_zlib

from whisper_loader.archive.reader import CHUNK, SourceReader

_GZIP_WINDOW = 16 + 15  # zlib's way to say: with gzip's header and checksum


class Decoder(Protocol):
    """One frame's decoder: `backports.zstd.ZstdDecompressor`, and `GzipDecoder` below."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Return up to `max_length` bytes; input that is left over is kept."""

    @property
    def needs_input(self) -> bool:
        """Whether there is nothing more to return without more input."""

    @property
    def eof(self) -> bool:
        """Whether the frame has ended, with its checksum right."""

    @property
    def unused_data(self) -> bytes:
        """What came after the frame's end."""


class GzipDecoder:
    """One member of a gzip file, by Intel's igzip, which is faster than zlib."""

    def __init__(self) -> None:
        self._decoder = isal_zlib.decompressobj(wbits=_GZIP_WINDOW)
        self._filled = False

    def decompress(self, data: bytes, max_length: int) -> bytes:
        tail = self._decoder.unconsumed_tail
        decompressed = self._decoder.decompress(tail + data if tail else data, max_length)
        self._filled = len(decompressed) == max_length
        return decompressed

    @property
    def needs_input(self) -> bool:
        return not self._filled and not self._decoder.unconsumed_tail

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data


class FrameReader:
    """The decompressed bytes of all frames."""

    def __init__(self, reader: SourceReader, decoder: Callable[[], Decoder], padding: bytes = b"") -> None:
        """Read frames that `decoder` makes sense of; bytes that `padding` lists may stand between and behind them."""
        self._reader = reader
        self._new_decoder = decoder
        self._padding = padding
        self._decoder: Decoder | None = None
        self._input = b""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; none at the end.

        Raises:
            EOFError: when the last frame is cut short.
            isal_zlib.error, ZstdError: when a frame is damaged.
        """
        while (decoder := self._current_decoder()) is not None:
            data = self._decode(decoder, size)
            if decoder.eof:
                self._input, self._decoder = decoder.unused_data, None
            if data:
                return data
        return b""

    def _current_decoder(self) -> Decoder | None:
        """Return the decoder of the frame that is being read, or of the next; None when there is none."""
        if self._decoder is None:
            self._pass_padding()
            self._decoder = self._new_decoder() if self._input else None
        return self._decoder

    def _pass_padding(self) -> None:
        self._input = self._input.lstrip(self._padding)
        while not self._input and (data := self._reader.read(CHUNK)):
            self._input = data.lstrip(self._padding)

    def _decode(self, decoder: Decoder, size: int) -> bytes:
        if decoder.needs_input and not self._input:
            self._input = self._reader.read(CHUNK)
            if not self._input:
                raise EOFError
        data, self._input = self._input, b""
        return decoder.decompress(data, size)
