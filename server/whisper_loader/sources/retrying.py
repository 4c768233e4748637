"""Patience with networks: what fails as SourceUnreachable is tried again, a broken stream goes on where it broke."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from whisper_contract.reasons import Reason
from whisper_loader.deadline import Deadline
from whisper_loader.errors import LoaderError
from whisper_loader.sources.base import ByteStream

ATTEMPTS = 4
_FIRST_PAUSE_SECONDS = 0.5

_T = TypeVar("_T")


def retry(work: Callable[[], _T], deadline: Deadline) -> _T:
    """Return what `work` returns, trying `ATTEMPTS` times while it says SourceUnreachable."""
    for attempt in range(1, ATTEMPTS):
        try:
            return work()
        except LoaderError as error:
            if error.reason is not Reason.SOURCE_UNREACHABLE:
                raise
            pause(attempt, deadline)
    return work()


def pause(attempt: int, deadline: Deadline) -> None:
    """Wait before attempt number `attempt` + 1: twice as long each time, with jitter.

    Raises:
        LoaderError: DeadlineExceeded.
    """
    seconds = _FIRST_PAUSE_SECONDS * 2 ** (attempt - 1)
    time.sleep(deadline.remaining(seconds * random.uniform(0.8, 1.2)))  # noqa: S311  (jitter is no secret)
    deadline.check()


class ResumingStream:
    """A file of known size, read through as many connections as it takes."""

    def __init__(self, open_at: Callable[[int], ByteStream], size: int, deadline: Deadline) -> None:
        """`open_at` starts reading at an offset; it raises SourceChanged if the content is another by then."""
        self._open_at = open_at
        self._size = size
        self._deadline = deadline
        self._offset = 0
        self._failures = 0
        self._stream: ByteStream | None = None

    def read(self, size: int, /) -> bytes:
        while self._offset < self._size:
            try:
                data = self._read_once(min(size, self._size - self._offset))
            except LoaderError as error:
                self._give_up_or_pause(error)
                continue
            self._offset += len(data)
            self._failures = 0
            return data
        return b""

    def _read_once(self, size: int) -> bytes:
        if self._stream is None:
            self._stream = self._open_at(self._offset)
        data = self._stream.read(size)
        if not data:
            raise LoaderError(
                Reason.SOURCE_UNREACHABLE,
                f"the source broke off after {self._offset} of {self._size} bytes, {ATTEMPTS} times in a row",
            )
        return data

    def _give_up_or_pause(self, error: LoaderError) -> None:
        self.close()
        self._failures += 1
        if error.reason is not Reason.SOURCE_UNREACHABLE or self._failures == ATTEMPTS:
            raise error
        pause(self._failures, self._deadline)

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None
