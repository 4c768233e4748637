"""Brings what a source resolved to into a folder: one pass over the bytes, hashed on the way, nothing kept twice."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from whisper_contract.digest import PublishedFile
from whisper_contract.reasons import Reason
from whisper_loader.archive.content import write_content
from whisper_loader.archive.decompress import open_tar_stream
from whisper_loader.archive.layers import ImageFolder
from whisper_loader.archive.reader import SourceReader
from whisper_loader.archive.untar import untar
from whisper_loader.deadline import Deadline
from whisper_loader.errors import LoaderError
from whisper_loader.log import logger
from whisper_loader.progress import Meter
from whisper_loader.source import Resolved, SourceFile
from whisper_loader.store.journal import Journal
from whisper_loader.transfer.parts import PartsReader

# What a wrong byte in an archive can look like; with a wrong sha256 as well, the bytes are to blame.
_BLAMED_ON_BYTES = frozenset({Reason.CHECKSUM_MISMATCH, Reason.UNSAFE_ARCHIVE, Reason.UNSUPPORTED_FORMAT})


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of a source.

    Attributes:
        files: by path below the target.
        archive_sha256: hex, of the source's bytes, when it is an archive.
    """

    files: dict[str, PublishedFile]
    archive_sha256: str | None = None


class Fetch:
    """One run through a source's bytes."""

    def __init__(self, target: Path, journal_path: Path | None, meter: Meter, deadline: Deadline) -> None:
        """Fetch into the folder `target`; `journal_path` is for a pull that another pod may go on with."""
        self._target = target
        self._journal_path = journal_path
        self._meter = meter
        self._deadline = deadline

    def run(self, resolved: Resolved, sha256: str | None) -> Fetched:
        """Write the source's files, taking over what the journal knows of them.

        Raises:
            LoaderError: of the source; ChecksumMismatch; UnsafeArchive; UnsupportedFormat; SpecInvalid when `sha256` is
                asked of a source that is not one file.
            OSError: of the volume.
        """
        self._meter.start(resolved.size)
        if resolved.is_archive:
            return self._archive(resolved, sha256)
        if sha256 is not None:
            raise LoaderError(
                Reason.SPEC_INVALID, "a sha256 belongs to an archive, and this source is a folder of files"
            )
        if resolved.image_path is not None:
            # No layer is gone on with half-way: its journal clears away what a dead pod has left.
            with self._journal(resolved):
                return self._image(resolved.files, resolved.image_path)
        with self._journal(resolved) as journal, _open_folder(self._target) as folder:
            return Fetched({file.name: self._file(file, journal, folder) for file in resolved.files})

    def _archive(self, resolved: Resolved, sha256: str | None) -> Fetched:
        archive = resolved.files[0]
        promised = [expected for expected in (sha256, archive.sha256) if expected is not None]
        with self._reader(archive) as reader, self._journal(resolved) as journal:
            with _checked(reader, promised, archive.name):
                stream = open_tar_stream(reader)
                # What a decoder knows at some point can't be kept: a compressed archive starts anew.
                files = untar(stream, self._target, journal if stream is reader else Journal.none())
            return Fetched(files, reader.sha256)

    def _image(self, layers: tuple[SourceFile, ...], path: str) -> Fetched:
        folder = ImageFolder(path, self._target)
        for layer in layers:
            promised = [] if layer.sha256 is None else [layer.sha256]
            with self._reader(layer) as reader, _checked(reader, promised, layer.name):
                folder.apply(open_tar_stream(reader, may_be_empty=True))
        return Fetched(folder.finish())

    def _file(self, file: SourceFile, journal: Journal, folder: int) -> PublishedFile:
        with self._reader(file) as reader:
            content = _BareContent(reader, None if file.git_blob is None else file.size)
            written = write_content(content, file.name, journal, folder, file.name)
        _check_sha256(written.sha256, file.sha256, file.name)
        if file.git_blob is not None and content.git_blob != file.git_blob:
            raise LoaderError(
                Reason.CHECKSUM_MISMATCH, f"{file.name} is not the content that the source lists ({file.git_blob})"
            )
        return written

    @contextmanager
    def _reader(self, file: SourceFile) -> Iterator[SourceReader]:
        with closing(SourceReader(PartsReader(file, self._deadline), self._meter)) as reader:
            yield reader

    @contextmanager
    def _journal(self, resolved: Resolved) -> Iterator[Journal]:
        if self._journal_path is None:
            yield Journal.none()
            return
        with closing(Journal.open(self._journal_path, resolved.identity, self._target)) as journal:
            if journal.kept_in_all:
                logger.info("going on where another pod stopped: %d bytes are on the volume", journal.kept_in_all)
            yield journal


class _BareContent:
    """A file of a source that is no archive; knows the id that git would give to its content, when that is wanted."""

    def __init__(self, reader: SourceReader, git_size: int | None) -> None:
        self._reader = reader
        header = f"blob {git_size}\0".encode()
        self._git_blob = None if git_size is None else hashlib.sha1(header, usedforsecurity=False)

    def read_content(self, size: int, /) -> bytes:
        data = self._reader.read(size)
        self._count(data)
        return data

    def replay_content(self, data: bytes, /) -> None:
        self._reader.replay(data)
        self._count(data)

    def skip_content(self, size: int, /) -> None:
        self._reader.skip(size)

    @property
    def git_blob(self) -> str | None:
        return None if self._git_blob is None else self._git_blob.hexdigest()

    def _count(self, data: bytes) -> None:
        if self._git_blob is not None:
            self._git_blob.update(data)


@contextmanager
def _open_folder(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _checked(reader: SourceReader, promised: Sequence[str], name: str) -> Iterator[None]:
    """Read the rest behind what the block reads, and check the sha256 of all; a wrong one explains what went wrong."""
    try:
        yield
    except LoaderError as error:
        if error.reason not in _BLAMED_ON_BYTES or not promised:
            raise
        reader.drain()
        for sha256 in promised:
            _check_sha256(reader.sha256, sha256, name)
        raise
    reader.drain()
    for sha256 in promised:
        _check_sha256(reader.sha256, sha256, name)


def _check_sha256(found: str, expected: str | None, name: str) -> None:
    if expected is not None and found != expected:
        raise LoaderError(Reason.CHECKSUM_MISMATCH, f"{name} has sha256 {found}, and {expected} was promised")
