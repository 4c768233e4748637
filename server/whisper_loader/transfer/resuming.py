"""A range of a file, read through as many connections as it takes."""

from contextlib import suppress

from whisper_contract.reasons import Reason
from whisper_loader.errors import LoaderError
from whisper_loader.source import ByteStream, SourceFile
from whisper_loader.transfer.retry import Patience


class ResumingStream:
    """The bytes from `start` to before `stop`, or to the end. A read that fails goes on where it stopped."""

    def __init__(self, file: SourceFile, start: int, stop: int | None, patience: Patience) -> None:
        self._file = file
        self._offset = start
        self._stop = stop
        self._patience = patience
        self._stream: ByteStream | None = None

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; none at the end."""
        while self._stop is None or self._offset < self._stop:
            try:
                data = self._read_once(size)
            except LoaderError as error:
                self.close()
                self._patience.pause_after(self._final(error))
                continue
            self._offset += len(data)
            self._patience.succeeded()
            return data
        return b""

    def _read_once(self, size: int) -> bytes:
        if self._stream is None:
            self._stream = self._file.open(self._offset, self._stop if self._file.ranged else None)
        if self._stop is None:
            return self._stream.read(size)
        data = self._stream.read(min(size, self._stop - self._offset))
        if not data:
            raise LoaderError(
                Reason.SOURCE_UNREACHABLE,
                f"{self._file.name}: the source broke off after {self._offset} bytes of {self._file.size}",
            )
        return data

    def _final(self, error: LoaderError) -> LoaderError:
        """Return `error`, as one that no other try can mend when reading can't go on from the middle."""
        if self._file.ranged or self._offset == 0 or error.reason is not Reason.SOURCE_UNREACHABLE:
            return error
        self._patience.stop()
        message = f"{error.message}; the source can't go on from the middle, so the next attempt starts anew"
        return LoaderError(error.reason, message)

    def close(self) -> None:
        """Give the connection back."""
        if self._stream is not None:
            with suppress(LoaderError):
                self._stream.close()
            self._stream = None
