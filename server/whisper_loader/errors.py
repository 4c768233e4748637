"""The loader's one error, and the border where the operating system's errors become it.

Every other border lies beside the library whose errors it maps: `http.errors`, `sources.s3.errors`,
`sources.hub.client`, `sources.google.errors`, `archive.decompress`.
"""

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from whisper_contract.reasons import FAILURES, Failure, Reason

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NOT_WRITABLE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
# A file where the store has a folder, a folder where it has a file, a link that leads in a circle or nowhere.
_IN_THE_WAY = frozenset({errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ELOOP})
# A file handle that the server forgot, a disk that can't be read, a mount whose other end is gone.
_BROKEN = frozenset(
    {errno.ESTALE, errno.EIO, errno.EREMOTEIO, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.ENXIO}
)


_MAX_MESSAGE = 1_000


class LoaderError(Exception):
    """A failure that a person can act on: a reason of the contract's table and one sentence, free of secrets.

    What the sentence quotes of a source (names, words) stays one line that no terminal obeys, and a short one.
    """

    def __init__(
        self, reason: Reason, message: str, *, retry_after: float | None = None, details: Sequence[str] = ()
    ) -> None:
        """Make the error.

        Args:
            reason: a constant of the contract's table.
            message: the sentence.
            retry_after: how many seconds the source asked to be left alone, when it did.
            details: further sentences, each shown on a line of its own, where one can't name everything.
        """
        self.message = printable(message)
        super().__init__(self.message)
        self.reason = reason
        self.retry_after = retry_after
        self.details = tuple(map(printable, details))

    @property
    def failure(self) -> Failure:
        """The row of the table: exit code, next step."""
        return FAILURES[self.reason]


def printable(text: str) -> str:
    """Return `text` as one line that no terminal obeys, cut where it is longer than anybody reads."""
    shown = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text[:_MAX_MESSAGE])
    return shown + ("…" if len(text) > _MAX_MESSAGE else "")


@contextmanager
def store_errors(store: Path) -> Iterator[None]:
    """Map errors of the file system that the store lies on; sources map their own before they reach this.

    Raises:
        LoaderError: OutOfSpace, ClaimNotWritable, VolumeFailed.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise LoaderError(Reason.OUT_OF_SPACE, f"the volume at {store} is full") from error
        if error.errno in _NOT_WRITABLE:
            where = error.filename or store
            raise LoaderError(Reason.CLAIM_NOT_WRITABLE, f"may not write to {where}: {error.strerror}") from error
        if error.errno in _IN_THE_WAY:
            where = error.filename2 or error.filename or store
            message = f"something that is not the store's lies in the way of {where}: {error.strerror}; move it away"
            raise LoaderError(Reason.CLAIM_NOT_WRITABLE, message) from error
        if error.errno in _BROKEN:
            raise LoaderError(Reason.VOLUME_FAILED, f"the volume at {store} fails: {error.strerror}") from error
        raise
