"""When a command must be done.

Nothing is interrupted: whoever works through bytes asks `check`, and whoever waits for a network bounds the wait by
`remaining`. What neither reaches (a hung mount) is ended by the Job's own deadline, a minute later.
"""

import time
from collections.abc import Callable

from whisper_contract.reasons import Reason
from whisper_loader.errors import LoaderError


class Deadline:
    """A point in time, or none."""

    def __init__(self, seconds: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._end = None if seconds is None else clock() + seconds

    def remaining(self, at_most: float) -> float:
        """Return the seconds left, at most `at_most`, and never less than a tick, which any time-out can be set to."""
        if self._end is None:
            return at_most
        return max(0.001, min(at_most, self._end - self._clock()))

    def check(self) -> None:
        """Raise LoaderError DeadlineExceeded when the time is over."""
        if self._end is not None and self._clock() >= self._end:
            raise LoaderError(Reason.DEADLINE_EXCEEDED, f"not done within {self._seconds:g} s")
