"""What a checkout of Git LFS holds in place of a large file until `git lfs pull`: a few lines that name its content.

The format: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
"""

from collections.abc import Iterable
from pathlib import Path

from whisper_contract.reasons import Reason
from whisper_loader.errors import LoaderError

_START = b"version https://git-lfs.github.com/spec/"
_MAX_BYTES = 1024


def check_no_pointers(folder: Path, names: Iterable[str]) -> None:
    """See to it that the files `names` of `folder` are themselves there.

    Raises:
        LoaderError: UnsupportedFormat, naming a file that is not, and the command that brings it.
        OSError: of reading.
    """
    for name in names:
        with (folder / name).open("rb") as file:
            start = file.read(_MAX_BYTES + 1)
        if start.startswith(_START) and len(start) <= _MAX_BYTES:
            message = f"{name} is a Git LFS pointer and not the file itself: run git lfs pull where it was checked out"
            raise LoaderError(Reason.UNSUPPORTED_FORMAT, message)
