"""Writes the members of a tar stream below a directory, and nowhere else, whatever the archive says.

Regular files and folders only. Every path is walked from the target's descriptor without following links, and every
file must be new, so that neither the archive nor somebody else on the volume can lead a write astray.
"""

import os
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from whisper_contract.digest import PublishedFile
from whisper_contract.reasons import Reason
from whisper_loader.archive.content import Content, write_content
from whisper_loader.archive.decompress import Readable, damaged
from whisper_loader.archive.reader import CHUNK
from whisper_loader.archive.tar import CutShortError, Member, TarReader
from whisper_loader.errors import LoaderError
from whisper_loader.store.journal import Journal

_MAX_COMPONENT_BYTES = 255
_MAX_PATH_BYTES = 1024
_MAX_DEPTH = 16
_SHOWN_NAME = 120
_CONTROL = "Cc"


@dataclass(frozen=True, slots=True)
class Limits:
    """What no archive of a Whisper model comes near: the largest has a dozen files and 7 GB.

    Attributes:
        members: headers in all.
        content_bytes: content of all members.
    """

    members: int = 1_000
    content_bytes: int = 64 << 30


DEFAULT_LIMITS = Limits()


def untar(
    stream: Readable, target: Path, journal: Journal, limits: Limits = DEFAULT_LIMITS
) -> dict[str, PublishedFile]:
    """Write what `stream` holds below `target`, and read the stream to its end; return its files by path.

    `target` exists, and holds nothing but what `journal` knows; that is taken over.

    Raises:
        LoaderError: UnsafeArchive, naming the member; ChecksumMismatch for a damaged archive.
        OSError: of the volume.
    """
    return extract(TarReader(stream), stream, target, journal, limits)


class Members(Content, Protocol):
    """What goes through members; the content is that of the current one."""

    def members(self, max_members: int, /) -> Iterator[Member]:
        """Yield each member."""


def extract(
    members: Members, stream: Readable, target: Path, journal: Journal, limits: Limits
) -> dict[str, PublishedFile]:
    """Write `members`, all or some of what the tar in `stream` holds; otherwise as `untar`."""
    root = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        with _damage():
            untar = _Untar(members, root, journal, limits)
            untar.run()
            _drain(stream, limits)
            return untar.files
    finally:
        os.close(root)


@contextmanager
def _damage() -> Iterator[None]:
    try:
        yield
    except CutShortError as error:
        raise damaged("it is cut short or overwritten") from error


def _drain(stream: Readable, limits: Limits) -> None:
    """What follows the end mark is padding; reading it lets the decompressor check its checksum."""
    left = limits.content_bytes
    while data := stream.read(CHUNK):
        left -= len(data)
        if left < 0:
            raise LoaderError(Reason.UNSAFE_ARCHIVE, "the archive goes on endlessly behind its end mark")


class _Untar:
    def __init__(self, reader: Members, root: int, journal: Journal, limits: Limits) -> None:
        self.files: dict[str, PublishedFile] = {}
        self._reader = reader
        self._root = root
        self._journal = journal
        self._limits = limits
        self._bytes_left = limits.content_bytes

    def run(self) -> None:
        for member in self._reader.members(self._limits.members):
            parts = safe_parts(member)
            if not parts:
                continue
            self._bytes_left -= member.size
            if self._bytes_left < 0:
                raise unsafe(member, f"brings the content above the limit of {self._limits.content_bytes} bytes")
            self._write(member, parts)

    def _write(self, member: Member, parts: tuple[str, ...]) -> None:
        folders = parts if member.is_directory else parts[:-1]
        with self._folder(member, folders) as folder:
            if not member.is_directory:
                self._write_file(member, parts, folder)

    @contextmanager
    def _folder(self, member: Member, parts: tuple[str, ...]) -> Iterator[int]:
        """Open the folder, made where it is missing, one step at a time from the root's descriptor."""
        folder = os.dup(self._root)
        try:
            for part in parts:
                inner = _enter(member, part, folder)
                os.close(folder)
                folder = inner
            yield folder
        finally:
            os.close(folder)

    def _write_file(self, member: Member, parts: tuple[str, ...], folder: int) -> None:
        path = "/".join(parts)
        if path in self.files:
            raise unsafe(member, "is there twice")
        try:
            self.files[path] = write_content(self._reader, path, self._journal, folder, parts[-1])
        except (FileExistsError, IsADirectoryError) as error:
            raise unsafe(member, "is there twice") from error


def _enter(member: Member, part: str, folder: int) -> int:
    with suppress(FileExistsError):
        os.mkdir(part, 0o755, dir_fd=folder)
    try:
        return os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except NotADirectoryError as error:
        raise unsafe(member, f"uses the file {part!r} as a folder") from error


def safe_parts(member: Member) -> tuple[str, ...]:
    """Return the components of the member's path; none for the archive's own root.

    Raises:
        LoaderError: UnsafeArchive for everything but a plain file or folder with a plain relative path.
    """
    if member.oddity is not None:
        link = (
            " (hand-made archives: pack with tar -h, which stores what links point to)"
            if "link" in member.oddity
            else ""
        )
        raise unsafe(member, f"is {member.oddity}{link}")
    name = member.name
    if name.startswith("/"):
        raise unsafe(member, "has an absolute path")
    if any(unicodedata.category(character) == _CONTROL for character in name):
        raise unsafe(member, "has a control character in its name")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in parts:
        raise unsafe(member, "climbs out of the archive with ..")
    if not parts and not member.is_directory:
        raise unsafe(member, "is a file without a name")
    _check_lengths(member, parts)
    return parts


def _check_lengths(member: Member, parts: tuple[str, ...]) -> None:
    try:
        lengths = [len(part.encode()) for part in parts]
    except UnicodeEncodeError as error:
        raise unsafe(member, "has a name that is not UTF-8") from error
    if len(parts) > _MAX_DEPTH or sum(lengths) > _MAX_PATH_BYTES or max(lengths, default=0) > _MAX_COMPONENT_BYTES:
        raise unsafe(member, "has a path that is too long or too deep")


def unsafe(member: Member, what: str) -> LoaderError:
    """Return the error for a member that no archive of a model has."""
    shown = ascii(member.name)[1:-1]
    if len(shown) > _SHOWN_NAME:
        shown = shown[:_SHOWN_NAME] + "…"
    return LoaderError(Reason.UNSAFE_ARCHIVE, f"the archive's member '{shown}' {what}")
