"""Writing so that a crash or a power cut leaves either nothing or everything.

Two promises of the file system carry this: fsync, and a rename that happens at once or not at all. Without the first
everything works, and a power cut can undo it; without the second nothing can be published.
"""

import errno
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from uuid import uuid4

from whisper_contract.reasons import Reason
from whisper_loader.errors import LoaderError
from whisper_loader.log import logger

# File systems that can't fsync (some network and FUSE mounts, folders more often than files) say so with these.
_NO_FSYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF})
# And these say that there is no such rename: the mount is of an object store, or it ends between the two places. A
# lack of rights is EACCES, or EPERM too, which the message leaves room for.
_NO_RENAME = frozenset({errno.ENOSYS, errno.ENOTSUP, errno.EXDEV, errno.EPERM, errno.EINVAL, errno.EMFILE})


def flush(descriptor: int, how: Callable[[int], None] = os.fsync) -> bool:
    """Wait until what was written to an open file is on the disk; return whether the file system can promise that.

    `how` may be os.fdatasync, where only the content matters.
    """
    try:
        how(descriptor)
    except OSError as error:
        if error.errno not in _NO_FSYNC:
            raise
        _warn_of_power_cuts()
        return False
    return True


@cache  # so that it is said once
def _warn_of_power_cuts() -> None:
    logger.warning(
        "the volume has no fsync: a power cut can damage what is being written; whisper-model verify would find that"
    )


def fsync_file(path: Path) -> None:
    """Wait until the file's content is on the disk, where the file system can promise that."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        flush(descriptor)
    finally:
        os.close(descriptor)


def fsync_folder(path: Path) -> None:
    """Wait until the folder's entries are on the disk, where the file system can promise that.

    Many that can do it to files can't do it to folders, and keep them safe all the same: that is not worth a warning.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FSYNC:
            raise
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Make a folder below one that is there, so that a power cut does not take it away again.

    Raises:
        FileExistsError: when something else lies there.
        OSError: any other, of the volume.
    """
    try:
        path.mkdir()
    except FileExistsError:
        if path.is_dir():
            return
        raise
    fsync_folder(path.parent)


def rename(source: Path, target: Path) -> None:
    """Rename a file or folder, at once or not at all.

    Raises:
        LoaderError: ClaimNotWritable when the file system has no such rename.
        OSError: any other, of the volume.
    """
    try:
        source.rename(target)
    except OSError as error:
        if error.errno not in _NO_RENAME:
            raise
        kind = "folders" if source.is_dir() else "files"
        raise LoaderError(
            Reason.CLAIM_NOT_WRITABLE,
            f"the volume can't rename {kind} from {source.parent} to {target.parent} ({error.strerror}): "
            "mounts of object stores can't; use NFS, CephFS or a block device, with the whole store on one volume",
        ) from error


def write_atomically(path: Path, data: bytes) -> None:
    """Give `path` the content `data` in one step; whoever reads it sees the old or the new.

    Raises:
        LoaderError: ClaimNotWritable when the file system can't rename.
        OSError: any other, of the volume.
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            flush(file.fileno())
        rename(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    fsync_folder(path.parent)
