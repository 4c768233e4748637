"""Writes the members of a tar stream below a directory, and nowhere else, whatever the archive says.

Regular files and folders only. Every path is walked from the target's descriptor without following links, and every
file must be new, so that neither the archive nor somebody else on the volume can lead a write astray.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from whisper_contract.reasons import Reason
from whisper_loader.archive.decompress import Readable, damaged
from whisper_loader.archive.reader import CHUNK
from whisper_loader.archive.tar import CutShortError, Member, TarReader
from whisper_loader.errors import LoaderError

_MAX_COMPONENT_BYTES = 255
_MAX_PATH_BYTES = 1024
_MAX_DEPTH = 16
_SHOWN_NAME = 120
_FIRST_PRINTABLE = 0x20
_DELETE = 0x7F


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


def untar(stream: Readable, target: Path, limits: Limits = DEFAULT_LIMITS) -> None:
    """Write what `stream` holds below `target`, which exists and is empty, and read the stream to its end.

    Raises:
        LoaderError: UnsafeArchive, naming the member; ChecksumMismatch for a damaged archive.
        OSError: of the volume.
    """
    root = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        with _damage():
            _Untar(TarReader(stream), root, limits).run()
            _drain(stream, limits)
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
    def __init__(self, reader: TarReader, root: int, limits: Limits) -> None:
        self._reader = reader
        self._root = root
        self._limits = limits
        self._bytes_left = limits.content_bytes

    def run(self) -> None:
        for member in self._reader.members(self._limits.members):
            parts = safe_parts(member)
            if not parts:
                continue
            self._bytes_left -= member.size
            if self._bytes_left < 0:
                raise _unsafe(member, f"brings the content above the limit of {self._limits.content_bytes} bytes")
            self._write(member, parts)

    def _write(self, member: Member, parts: tuple[str, ...]) -> None:
        folders = parts if member.is_directory else parts[:-1]
        with self._folder(member, folders) as folder:
            if not member.is_directory:
                self._write_file(member, parts[-1], folder)

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

    def _write_file(self, member: Member, name: str, folder: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(name, flags, 0o644, dir_fd=folder)
        except FileExistsError as error:
            raise _unsafe(member, "is there twice") from error
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            while data := self._reader.read_content(CHUNK):
                _write_all(file.fileno(), data)


def _enter(member: Member, part: str, folder: int) -> int:
    with suppress(FileExistsError):
        os.mkdir(part, 0o755, dir_fd=folder)
    try:
        return os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except NotADirectoryError as error:
        raise _unsafe(member, f"uses the file {part!r} as a folder") from error


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


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
        raise _unsafe(member, f"is {member.oddity}{link}")
    name = member.name
    if name.startswith("/"):
        raise _unsafe(member, "has an absolute path")
    if any(ord(character) < _FIRST_PRINTABLE or ord(character) == _DELETE for character in name):
        raise _unsafe(member, "has a control character in its name")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in parts:
        raise _unsafe(member, "climbs out of the archive with ..")
    if not parts and not member.is_directory:
        raise _unsafe(member, "is a file without a name")
    _check_lengths(member, parts)
    return parts


def _check_lengths(member: Member, parts: tuple[str, ...]) -> None:
    try:
        lengths = [len(part.encode()) for part in parts]
    except UnicodeEncodeError as error:
        raise _unsafe(member, "has a name that is not UTF-8") from error
    if len(parts) > _MAX_DEPTH or sum(lengths) > _MAX_PATH_BYTES or max(lengths, default=0) > _MAX_COMPONENT_BYTES:
        raise _unsafe(member, "has a path that is too long or too deep")


def _unsafe(member: Member, what: str) -> LoaderError:
    shown = ascii(member.name)[1:-1]
    if len(shown) > _SHOWN_NAME:
        shown = shown[:_SHOWN_NAME] + "…"
    return LoaderError(Reason.UNSAFE_ARCHIVE, f"the archive's member '{shown}' {what}")
