"""What lies in a store: how large and how old it is, and how it goes away.

Links are never followed, so nothing outside the store is read, measured, changed or removed.
"""

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from uuid import uuid4

_MAY_NOT = frozenset({errno.EPERM, errno.EACCES, errno.EROFS})
_HELD = frozenset({errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY})
# How deep folders may lie for a path to lead there, and what says that they lie deeper than `rmtree` gets.
_SHALLOW = 10
_TOO_DEEP = frozenset({errno.EMFILE, errno.ENAMETOOLONG})
# Each is ended by another process that was faster with a file; the bound is for a listing that stays out of date.
_ATTEMPTS = 10_000


@dataclass(frozen=True, slots=True)
class Tree:
    """A file, or a folder with all that is in it.

    Attributes:
        size: bytes of its files in all.
        modified: time of the last write to anything in it, in seconds of the file system's clock. Not the time of its
            last change of status: kubelet changes the owner of a whole volume each time that it mounts one.
    """

    size: int
    modified: float


def measure(path: Path) -> Tree | None:
    """Return how large and how old `path` is; None when it is not there."""
    with suppress(FileNotFoundError):
        own = path.lstat()
        parts = [own, *(_parts(path) if stat.S_ISDIR(own.st_mode) else ())]
        size = sum(part.st_size for part in parts if not stat.S_ISDIR(part.st_mode))
        return Tree(size, max(part.st_mtime for part in parts))
    return None


def _parts(path: Path) -> list[os.stat_result]:
    """Return what is in a folder, as far as paths lead. Nothing calls itself: somebody can have made it very deep."""
    found, folders = [], [str(path)]
    while folders:
        for entry in _entries(folders.pop()):
            with _unless_out_of_reach():
                found.append(entry.stat(follow_symlinks=False))
                if stat.S_ISDIR(found[-1].st_mode):
                    folders.append(entry.path)
    return found


@contextmanager
def _unless_out_of_reach() -> Iterator[None]:
    """Pass over what somebody else is removing, and what lies deeper than a path can be long."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENAMETOOLONG):
            raise


def _entries(folder: str) -> list["os.DirEntry[str]"]:
    with suppress(OSError), os.scandir(folder) as entries:
        return list(entries)
    return []


def file_system_time(folder: Path) -> float:
    """Return the present time by the clock that dates files in `folder`: an NFS server's need not agree with ours."""
    with TemporaryFile(dir=folder) as file:
        return os.fstat(file.fileno()).st_mtime


def touch(path: Path) -> bool:
    """Date `path` to the present if this user may; return whether it is there."""
    try:
        os.utime(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno not in _MAY_NOT:
            raise
    return True


def read_plain_file(path: Path, limit: int) -> bytes:
    """Return the first `limit` bytes of a file; OSError when it is a link or can't be read."""
    with open(path, "rb", opener=_open_plain) as file:
        return file.read(limit)


def _open_plain(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)  # the second so as not to wait at a named pipe


def remove(path: Path) -> bool:
    """Remove a file, link or folder; others may be removing it too.

    Returns:
        Whether it is gone. If not, a part is held: mounted upon, or open on this NFS client, which hides it until then.

    Raises:
        OSError: any other, of the volume.
    """
    for _ in range(_ATTEMPTS):
        try:
            _remove(path)
        except FileNotFoundError:
            continue  # somebody else was faster with a part
        except OSError as error:
            if error.errno in _HELD:
                return False
            raise
        return True
    return measure(path) is None


def _remove(path: Path) -> None:
    if not stat.S_ISDIR(path.lstat().st_mode):
        path.unlink()
        return
    try:
        shutil.rmtree(path)
    except (RecursionError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in _TOO_DEEP:
            raise
        _make_shallow(path)
        shutil.rmtree(path)


def _make_shallow(path: Path) -> None:
    """Move what lies deep in a folder up to its top: `rmtree` calls itself, and opens a folder, for each level."""
    folders = [(str(path), 0)]
    while folders:
        folder, depth = folders.pop()
        for entry in _entries(folder):
            if not entry.is_dir(follow_symlinks=False):
                continue
            if depth < _SHALLOW:
                folders.append((entry.path, depth + 1))
            else:
                moved = Path(entry.path).rename(path / f"deep-{uuid4().hex}")
                folders.append((str(moved), 1))
