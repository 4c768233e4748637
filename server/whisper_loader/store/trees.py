"""What lies in a store: how large and how old it is, and how it goes away.

Links are never followed, so nothing outside the store is read, measured, changed or removed.
"""

import errno
import os
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

_MAY_NOT = frozenset({errno.EPERM, errno.EACCES, errno.EROFS})
_HELD = frozenset({errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY})
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
    found = []
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            with suppress(FileNotFoundError):  # somebody else is removing it
                found.append(Path(folder, name).lstat())
    return found


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
    if stat.S_ISDIR(path.lstat().st_mode):
        shutil.rmtree(path)
    else:
        path.unlink()
