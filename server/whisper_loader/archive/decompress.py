"""Tells an archive's compression from its first bytes and takes it off; the border for what decompressors raise."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, cast

from backports import zstd
from isal import isal_zlib

from whisper_contract.reasons import Reason
from whisper_loader.archive.frames import FrameReader, GzipDecoder
from whisper_loader.archive.reader import CHUNK, SourceReader
from whisper_loader.archive.tar import BLOCK, is_end, is_header
from whisper_loader.errors import LoaderError

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
# A frame that holds something else; pzstd begins its files with one.
_SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")
# Descriptor and window of a frame: https://www.rfc-editor.org/rfc/rfc8878#section-3.1.1.1
_WINDOW = re.compile(rb"\x28\xb5\x2f\xfd(.)(.)", re.DOTALL)
_SINGLE_SEGMENT = 0x20
_MAX_WINDOW = 1 << 27  # the library's own limit
_GZIP_MAGIC = b"\x1f\x8b"
_MAX_READ_ON = 8 << 30
# isal's stub calls its error class an exception.
_DAMAGE: tuple[type[Exception], ...] = (cast("type[Exception]", isal_zlib.error), zstd.ZstdError)
# Seen often enough in place of an archive to be called by name.
_KNOWN = (
    (b"PK\x03\x04", "a zip archive"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ\x00", "an xz file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"GGUF", "a GGUF model"),
    (b"lmgg", "a GGML model"),
    (b"\x80\x02", "a pickle"),
    (b"version https://git-lfs", "a Git LFS pointer (run git lfs pull where it was checked out)"),
    (b"<!DOCTYPE", "a web page"),
    (b"<!doctype", "a web page"),
    (b"<html", "a web page"),
    (b"<?xml", "an XML document"),
    (b"{", "a JSON document"),
)


class Readable(Protocol):
    """What a decompressor gives and a tar reader takes."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; none at the end."""


def open_tar_stream(reader: SourceReader, *, may_be_empty: bool = False) -> Readable:
    """Return the bytes of the tar inside `reader`; `may_be_empty` for one that may have no members, as some layers do.

    Raises:
        LoaderError: UnsupportedFormat, saying what was found instead.
    """
    start = reader.peek(BLOCK)
    if start.startswith(_ZSTD_MAGIC) or _SKIPPABLE.match(start):
        _check_window(start)
        zstd_frames = FrameReader(reader, zstd.ZstdDecompressor)
        return _checked_start(_Decompressed(zstd_frames), "a zstd file", may_be_empty=may_be_empty)
    if start.startswith(_GZIP_MAGIC):
        # Tapes are padded with zeros.
        gzip_frames = FrameReader(reader, GzipDecoder, padding=b"\0")
        return _checked_start(_Decompressed(gzip_frames), "a gzip file", may_be_empty=may_be_empty)
    if is_header(start) or (may_be_empty and is_end(start)):
        return reader
    raise LoaderError(
        Reason.UNSUPPORTED_FORMAT, f"expected a .tar, .tar.zst or .tar.gz archive and found {_name(start)}"
    )


def _check_window(start: bytes) -> None:
    """Tell of a zstd frame that takes more memory than the library gives, in other words than damage."""
    frame = _WINDOW.match(start)
    if frame is None or frame[1][0] & _SINGLE_SEGMENT:
        return
    base, eighths = 1 << (10 + (frame[2][0] >> 3)), frame[2][0] & 7
    if base + base // 8 * eighths > _MAX_WINDOW:
        raise LoaderError(
            Reason.UNSUPPORTED_FORMAT,
            f"the archive was compressed with a zstd window of {base >> 20} MiB, and {_MAX_WINDOW >> 20} are the most "
            "that is read: compress it again without --long, or with --long=27",
        )


class _Decompressed:
    """Decompressed bytes, with the start read ahead."""

    def __init__(self, frames: FrameReader) -> None:
        self._frames = frames
        self._start = b""

    def peek_block(self) -> bytes:
        while len(self._start) < BLOCK and (data := self._read(BLOCK - len(self._start))):
            self._start += data
        return self._start

    def read(self, size: int, /) -> bytes:
        if self._start:
            data, self._start = self._start[:size], self._start[size:]
            return data
        return self._read(size)

    def _read(self, size: int) -> bytes:
        with damage_errors():
            return self._frames.read(size)


def _checked_start(stream: _Decompressed, container: str, *, may_be_empty: bool) -> Readable:
    start = stream.peek_block()
    if not is_header(start) and not (may_be_empty and is_end(start)):
        _read_on(stream)
        raise LoaderError(
            Reason.UNSUPPORTED_FORMAT, f"expected a tar archive inside and found {container} of {_name(start)}"
        )
    return stream


def _read_on(stream: Readable) -> None:
    """Damage can hit the start too: then the decompressor's checks fail further on, and that is the truth to tell."""
    for _ in range(_MAX_READ_ON // CHUNK):
        if not stream.read(CHUNK):
            return


def _name(start: bytes) -> str:
    if not start:
        return "nothing (0 bytes)"
    found = next((name for magic, name in _KNOWN if start.lstrip().startswith(magic)), None)
    return found or f"something that starts with {start[:8].hex(' ')}"


@contextmanager
def damage_errors() -> Iterator[None]:
    """Map what decompressors say of bytes that are not as they were written."""
    try:
        yield
    except EOFError as error:
        raise damaged("it is cut short") from error
    except _DAMAGE as error:
        raise damaged("its own checks fail while it is decompressed") from error


def damaged(how: str) -> LoaderError:
    """Return the error for an archive that is broken in itself, wherever that was noticed."""
    return LoaderError(Reason.CHECKSUM_MISMATCH, f"the archive is damaged: {how}; upload it again")
