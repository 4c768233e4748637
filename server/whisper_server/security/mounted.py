"""Files that somebody else writes while the server runs: Secrets and ConfigMaps of Kubernetes, certificate managers."""

import os
from collections.abc import Sequence
from pathlib import Path

#: What tells one version of a file from the next.
Stamp = tuple[int, int, int, int] | None


class MountedFileError(ValueError):
    """A file cannot be read or holds what it should not; the text is a sentence that names the file, and no secret."""


class ChangeNotice:
    """Tells, at the cost of one `stat` a file, whether files have changed since the last time it was asked.

    Kubelet swaps a symbolic link to a new folder (https://kubernetes.io/docs/concepts/configuration/secret/), others
    rename a new file over the old or write into it: the inode or the time of change differs each time.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._last: tuple[Stamp, ...] | None = None

    def changed(self) -> bool:
        """Return whether they differ from what they were at the last call; True at the first."""
        now = tuple(_stamp(path) for path in self._paths)
        if now == self._last:
            return False
        self._last = now
        return True


def _stamp(path: Path) -> Stamp:
    try:
        found = os.stat(path)  # noqa: PTH116 - called for every request; half the time of Path.stat
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def read_file(path: Path, most: int = 1024 * 1024) -> bytes:
    """Return what a file holds.

    Raises:
        MountedFileError: when it cannot be read or holds more than `most` bytes.
    """
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise MountedFileError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > most:
        raise MountedFileError(f"{path} is larger than {most} bytes: it cannot be what it should be")
    return content
