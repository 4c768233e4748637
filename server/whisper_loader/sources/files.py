"""An archive or a directory on this machine, or on a volume that is mounted in the pod."""

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from io import FileIO
from pathlib import Path, PurePosixPath

from whisper_contract.reasons import Reason
from whisper_contract.uris import FileSource
from whisper_loader.access import Access
from whisper_loader.errors import LoaderError
from whisper_loader.model.layout import find_model
from whisper_loader.model.pointers import check_no_pointers
from whisper_loader.source import ByteStream, Resolved, SourceFile


def resolve(source: FileSource, _access: Access) -> Resolved:
    """Return what is at the path now. Content is told apart by size and time of change, as `make` and rsync do.

    Raises:
        LoaderError: SourceNotFound, Unauthorized, UnsupportedFormat.
    """
    path = Path(source.path).absolute()
    uri = FileSource(PurePosixPath(path))
    with file_errors(path):
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            return _resolve_directory(uri, path)
    if not stat.S_ISREG(status.st_mode):
        raise LoaderError(Reason.UNSUPPORTED_FORMAT, f"{path} is neither a file nor a directory")
    identity = f"{uri}#size={status.st_size}&mtime={status.st_mtime_ns}"
    return Resolved(identity, (_file(path, status),), is_archive=True)


def _resolve_directory(uri: FileSource, directory: Path) -> Resolved:
    found = {entry.name: entry.stat() for entry in os.scandir(directory) if entry.is_file()}
    names = find_model(found).names
    check_no_pointers(directory, names)
    lines = "".join(f"{name}\0{found[name].st_size}\0{found[name].st_mtime_ns}\n" for name in sorted(names))
    identity = f"{uri}/#files={hashlib.sha256(lines.encode()).hexdigest()}"
    return Resolved(identity, tuple(_file(directory / name, found[name]) for name in names), is_archive=False)


def _file(path: Path, status: os.stat_result) -> SourceFile:
    return SourceFile(path.name, status.st_size, partial(_open, path, status))


def _open(path: Path, resolved: os.stat_result, start: int, _stop: int | None) -> ByteStream:
    with file_errors(path):
        file = path.open("rb", buffering=0)
        file.seek(start)
        return _File(path, file, resolved)


class _File:
    """A file that must stay as it was resolved."""

    def __init__(self, path: Path, file: FileIO, resolved: os.stat_result) -> None:
        self._path = path
        self._file = file
        self._resolved = resolved

    def read(self, size: int, /) -> bytes:
        with file_errors(self._path):
            data = self._file.read(size)
            self._check_unchanged()
            return data or b""

    def _check_unchanged(self) -> None:
        now = os.fstat(self._file.fileno())
        if (now.st_size, now.st_mtime_ns) != (self._resolved.st_size, self._resolved.st_mtime_ns):
            raise LoaderError(Reason.SOURCE_CHANGED, f"{self._path} was written to while it was being read")

    def close(self) -> None:
        self._file.close()


@contextmanager
def unchanged(paths: Sequence[Path]) -> Iterator[None]:
    """See to it that nobody writes to files while they are sent: what arrives would be a mixture.

    Raises:
        LoaderError: SourceChanged, afterwards, when somebody did; SourceNotFound, … for a file that can't be read.
    """
    before = [_state(path) for path in paths]
    try:
        yield
    finally:
        # Whatever else went wrong came of it, as when a service gets less than it was told of.
        for path, state in zip(paths, before, strict=True):
            if _state(path) != state:
                raise LoaderError(Reason.SOURCE_CHANGED, f"{path} was written to while it was being sent: push again")


def _state(path: Path) -> tuple[int, int]:
    with file_errors(path):
        status = path.stat()
        return status.st_size, status.st_mtime_ns


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Map the errors of reading from a path that a user named."""
    try:
        yield
    except FileNotFoundError as error:
        raise LoaderError(Reason.SOURCE_NOT_FOUND, f"{path} does not exist") from error
    except NotADirectoryError as error:
        raise LoaderError(Reason.SOURCE_NOT_FOUND, f"{path} is no folder, or lies in what is none") from error
    except PermissionError as error:
        where = error.filename or path
        raise LoaderError(Reason.UNAUTHORIZED, f"{where} may not be read by user {os.getuid()}") from error
    except OSError as error:
        raise LoaderError(Reason.SOURCE_UNREACHABLE, f"{path} can't be read: {error.strerror}") from error
