"""Reads the members of a tar stream: the standard library's headers, and nothing that its extraction would add.

Only what a plain archive needs is understood: ustar, GNU's long names, pax paths and sizes (POSIX's `pax` utility:
https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html). Everything else is handed
on to be refused by name.
"""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from whisper_contract.reasons import Reason
from whisper_loader.archive.reader import SourceReader
from whisper_loader.errors import LoaderError

BLOCK = 512
#: Longest extended header (a long name, pax records) that is read into memory.
MAX_EXTENDED_HEADER = 64 * 1024

_MAX_SIZE_DIGITS = 19
_GNU_LONG_LINK = tarfile.GNUTYPE_LONGLINK
_PAX_TYPES = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
_KINDS = {
    tarfile.LNKTYPE: "a hard link",
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a named pipe",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
    tarfile.CONTTYPE: "a contiguous file",
}
# Some old programs note the size of what a link leads to, and no content follows.
_WITHOUT_CONTENT = frozenset(
    {tarfile.DIRTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE}
)


class TarStream(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Member:
    """One member as its headers describe it, not yet judged.

    Attributes:
        name: as written in the archive.
        size: bytes of content that follow.
        is_directory: a folder, without content.
        oddity: what it is when it is neither a file nor a folder.
    """

    name: str
    size: int
    is_directory: bool
    oddity: str | None


class CutShortError(Exception):
    """The stream ended, or a header is no header, where the archive should go on."""


def is_header(block: bytes) -> bool:
    """Tell whether `block` is a tar header, by its checksum."""
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError):
        return False
    return True


def is_end(block: bytes) -> bool:
    """Tell whether `block` is the mark that ends a tar."""
    return len(block) == BLOCK and not any(block)


class TarReader:
    """Goes through the members of one archive; the content of each is read, or skipped, before the next."""

    def __init__(self, stream: TarStream) -> None:
        self._stream = stream
        self._content_left = 0
        self._padding = 0

    def members(self, max_headers: int, /) -> Iterator[Member]:
        """Yield each member.

        Raises:
            LoaderError: UnsafeArchive for more than `max_headers` headers, or extended ones that are too long.
            CutShortError: when the archive is damaged.
        """
        extended: dict[str, str] = {}
        for _ in range(max_headers + 1):
            header = self._next_header()
            if header is None:
                return
            if header.type in (tarfile.GNUTYPE_LONGNAME, _GNU_LONG_LINK, *_PAX_TYPES):
                extended |= self._extended(header)
                continue
            member = _member(header, extended)
            extended = {}
            self._expect_content(member.size)
            yield member
        raise LoaderError(Reason.UNSAFE_ARCHIVE, f"the archive has more than {max_headers} members")

    def read_content(self, size: int, /) -> bytes:
        """Return up to `size` bytes of the current member's content; none at its end."""
        data = self._stream.read(min(size, self._content_left)) if self._content_left else b""
        if self._content_left and not data:
            raise CutShortError
        self._content_left -= len(data)
        return data

    def replay_content(self, data: bytes, /) -> None:
        """Take `data`, which is at hand, for the next bytes of the content."""
        self._replayable().replay(data)

    def skip_content(self, size: int, /) -> None:
        """Pass over what was replayed."""
        if size > self._content_left:
            raise CutShortError
        self._replayable().skip(size)
        self._content_left -= size

    def _replayable(self) -> SourceReader:
        """Return the stream, which is the source itself: of a compressed archive no file is ever kept."""
        if not isinstance(self._stream, SourceReader):
            raise TypeError("only a plain tar has a journal")
        return self._stream

    def _next_header(self) -> tarfile.TarInfo | None:
        """Return the next header, or None at the mark that ends the archive."""
        while self.read_content(BLOCK):
            pass
        self._read_exactly(self._padding)
        self._padding = 0
        block = self._read_exactly(BLOCK)
        if is_end(block):
            return None
        try:
            return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except (tarfile.HeaderError, ValueError) as error:
            raise CutShortError from error

    def _extended(self, header: tarfile.TarInfo) -> dict[str, str]:
        if not 0 <= header.size <= MAX_EXTENDED_HEADER:
            raise LoaderError(Reason.UNSAFE_ARCHIVE, f"an extended header of {header.size} bytes is too long")
        self._expect_content(header.size)
        content = self._read_exactly(header.size)
        self._content_left = 0
        if header.type == tarfile.GNUTYPE_LONGNAME:
            return {"path": content.rstrip(b"\0").decode("utf-8", "surrogateescape")}
        if header.type == _GNU_LONG_LINK:
            return {}
        return _pax_records(content)

    def _expect_content(self, size: int) -> None:
        self._content_left = size
        self._padding = -size % BLOCK

    def _read_exactly(self, size: int) -> bytes:
        parts = []
        while size > 0:
            data = self._stream.read(size)
            if not data:
                raise CutShortError
            parts.append(data)
            size -= len(data)
        return b"".join(parts)


def _member(header: tarfile.TarInfo, extended: dict[str, str]) -> Member:
    name = extended.get("path", header.name)
    oddity = _KINDS.get(header.type)
    if oddity is None and header.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE):
        oddity = f"of the unknown type {header.type!r}"
    if any(key.startswith("GNU.sparse.") for key in extended):
        oddity = "a sparse file"
    size = 0 if header.type in _WITHOUT_CONTENT else int(extended.get("size", header.size))
    if size < 0:
        raise CutShortError
    return Member(name, size, header.isdir(), oddity)


def _pax_records(content: bytes) -> dict[str, str]:
    """Records are ``<length> <key>=<value> LF``, the length counting itself; only what matters here is kept."""
    records = {}
    while content.strip(b"\0"):
        length_text, _, _ = content.partition(b" ")
        length = int(length_text) if length_text.isdigit() and len(length_text) <= len(str(MAX_EXTENDED_HEADER)) else 0
        record, content = content[:length], content[length:]
        key, equals, value = record.partition(b" ")[2].partition(b"=")
        if len(record) != length or not equals or not value.endswith(b"\n"):
            raise CutShortError
        name = key.decode("utf-8", "replace")
        if name == "size" and not (value[:-1].isdigit() and len(value) <= _MAX_SIZE_DIGITS):
            raise CutShortError
        if name in ("path", "size") or name.startswith("GNU.sparse."):
            records[name] = value[:-1].decode("utf-8", "surrogateescape")
    return records
