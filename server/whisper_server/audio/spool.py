"""Room for uploads of which the end has to be there before the beginning can be read."""

import contextlib
import io
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from whisper_server.errors import OverloadedError, TooLargeError

#: An upload of up to this is kept in memory.
MEMORY_BYTES = 16 * 1024**2
#: Half of the volume that the operator gives a server for what is temporary.
_MAX_BYTES = 1024**3
_RETRY_AFTER_SECONDS = 30.0


class Spool:
    """A directory for uploads beyond `MEMORY_BYTES`, of a size that all of them together keep to."""

    def __init__(self, directory: Path | None = None, max_bytes: int = _MAX_BYTES) -> None:
        self._directory = directory or Path(tempfile.gettempdir())
        self._max_bytes = max_bytes
        self._used = 0
        self._lock = threading.Lock()

    @property
    def used_bytes(self) -> int:
        """Return how much is on disk now."""
        return self._used

    def reserve(self, size: int, already: int) -> None:
        """Take `size` bytes of the room for an upload that has `already` some.

        Raises:
            TooLargeError: when all of the room would be too little.
            OverloadedError: when others have it.
        """
        if size + already > self._max_bytes:
            raise TooLargeError(
                f"the audio is larger than the {self._max_bytes} bytes that may be kept of a file that has to be whole "
                "to be read: convert it to FLAC, Ogg or WAV, which are read as they come"
            )
        with self._lock:
            if self._used + size > self._max_bytes:
                raise OverloadedError(
                    "there is no room to keep the audio until all of it is here: try again later", _RETRY_AFTER_SECONDS
                )
            self._used += size

    def free(self, size: int) -> None:
        """Give room back."""
        with self._lock:
            self._used -= size

    def create_file(self) -> IO[bytes]:
        """Return a new file that has no name, so that nothing of it can be left behind."""
        return tempfile.TemporaryFile(dir=self._directory, prefix="whisper-upload-")


class SpooledUpload:
    """One upload: first written, then read; blocking, for a thread."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._file: IO[bytes] = io.BytesIO()
        self._in_memory = True
        self._reserved = 0
        self._length = 0
        self._abandoned = False

    def append(self, data: bytes | memoryview) -> None:
        """Add the next bytes.

        Raises:
            TooLargeError, OverloadedError: when there is no room.
        """
        self._length += len(data)
        if self._length > MEMORY_BYTES:
            self._reserve(self._length - self._reserved)
            with _as_no_room():
                if self._in_memory:
                    self._move_to_disk()
                self._file.write(data)
        else:
            self._file.write(data)

    def rewind(self) -> None:
        """Go to the beginning, to read."""
        with _as_no_room():  # What was buffered is written now.
            self._file.seek(0)

    @property
    def starved(self) -> bool:
        """Whether reading on would have to wait: never."""
        return False

    def read(self, size: int) -> bytes:
        """Return the next bytes, none at the end."""
        return b"" if self._abandoned else self._file.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to another place."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return where that is."""
        return self._file.tell()

    def abandon(self) -> None:
        """End every `read` from now on; for any thread."""
        self._abandoned = True

    def close(self) -> None:
        """Give everything back."""
        with contextlib.suppress(OSError):  # What could not be written is not missed.
            self._file.close()
        self._spool.free(self._reserved)
        self._reserved = 0

    def _reserve(self, size: int) -> None:
        self._spool.reserve(size, self._reserved)
        self._reserved += size

    def _move_to_disk(self) -> None:
        kept, self._file = self._file, self._spool.create_file()
        self._in_memory = False
        kept.seek(0)
        self._file.write(kept.read())


@contextlib.contextmanager
def _as_no_room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OverloadedError(
            f"the audio cannot be kept until all of it is here ({error.strerror}): try again later",
            _RETRY_AFTER_SECONDS,
        ) from error
