"""Decompresses what is made of frames one after the other: zstd (RFC 8878), gzip (RFC 1952).

The libraries' file objects read in small pieces and buffer once more; here whole chunks go through, once.
"""

import re
from collections.abc import Callable
from typing import Protocol

from isal import isal_zlib

from whisper_loader.archive.reader import CHUNK, SourceReader

#: What the decoder of a new frame gets at first.
FIRST_PIECE_BYTES = 16 << 10

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
    """The decompressed bytes of all frames.

    A decoder gives back, as a copy, what it got from behind its frame's end. So each gets little at first: otherwise an
    archive of tiny frames would have every chunk copied as many times as there are frames in it.
    """

    def __init__(self, reader: SourceReader, decoder: Callable[[], Decoder], padding: bytes = b"") -> None:
        """Read frames that `decoder` makes sense of; bytes that `padding` lists may stand between and behind them."""
        self._reader = reader
        self._new_decoder = decoder
        self._padding = re.compile(b"[%b]*" % re.escape(padding) if padding else b"")
        self._decoder: Decoder | None = None
        self._piece_bytes = FIRST_PIECE_BYTES
        self._chunk = b""
        self._position = 0

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; none at the end.

        Raises:
            EOFError: when the last frame is cut short.
            isal_zlib.error, ZstdError: when a frame is damaged.
        """
        while (decoder := self._current_decoder()) is not None:
            data = decoder.decompress(self._take_piece() if decoder.needs_input else b"", size)
            if decoder.eof:
                self._position -= len(decoder.unused_data)
                self._decoder = None
            if data:
                return data
        return b""

    def _current_decoder(self) -> Decoder | None:
        """Return the decoder of the frame that is being read, or of the next; None when there is none."""
        if self._decoder is None and self._find_frame():
            self._decoder, self._piece_bytes = self._new_decoder(), FIRST_PIECE_BYTES
        return self._decoder

    def _find_frame(self) -> bool:
        """Pass over padding; tell whether anything follows."""
        while True:
            padding = self._padding.match(self._chunk, self._position)
            self._position = self._position if padding is None else padding.end()
            if self._position < len(self._chunk):
                return True
            if not self._next_chunk():
                return False

    def _take_piece(self) -> bytes:
        if self._position == len(self._chunk) and not self._next_chunk():
            raise EOFError
        piece = self._chunk[self._position : self._position + self._piece_bytes]
        self._position += len(piece)
        self._piece_bytes = CHUNK
        return piece

    def _next_chunk(self) -> bool:
        self._chunk, self._position = self._reader.read(CHUNK), 0
        return bool(self._chunk)
