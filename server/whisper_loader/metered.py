"""A file that counts what is read from it."""

import threading
from io import BufferedReader, FileIO
from pathlib import Path

from whisper_loader.progress import Meter


class MeteredFile(BufferedReader):
    """A file that tells a meter how much of it was read; what is read once more counts once.

    Several of one meter may be read at the same time, by a library's threads.
    """

    _meters_lock = threading.Lock()

    def __init__(self, path: Path, meter: Meter | None = None) -> None:
        """Open `path`; without a meter nothing counts until `count` names one."""
        super().__init__(FileIO(path))
        self._meter = meter
        self._furthest = 0

    def count(self, meter: Meter) -> None:
        """Count what is read from now on."""
        self._meter = meter

    def read(self, size: int | None = -1, /) -> bytes:
        """Return up to `size` bytes.

        Raises:
            LoaderError: DeadlineExceeded.
        """
        data = super().read(size)
        if self._meter is not None and (position := self.tell()) > self._furthest:
            with self._meters_lock:
                self._meter.advance(position - self._furthest)
            self._furthest = position
        return data
