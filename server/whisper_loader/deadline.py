"""When a command must be done.

Whoever works through bytes asks `check`, and whoever waits for a network bounds the wait by `remaining`, or lets it
wait in a thread of its own: `within`. What none of them reaches (a hung mount) is ended by the Job's own deadline, a
minute later.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from whisper_contract.reasons import Reason
from whisper_loader.errors import LoaderError

_T = TypeVar("_T")
_LOOK_UP_SECONDS = 1.0


class Deadline:
    """A point in time, or none. Used from several threads."""

    def __init__(self, seconds: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._end = None if seconds is None else clock() + seconds
        self._trouble: str | None = None

    def remaining(self, at_most: float) -> float:
        """Return the seconds left, at most `at_most`, and never less than a tick, which any time-out can be set to."""
        if self._end is None:
            return at_most
        return max(0.001, min(at_most, self._end - self._clock()))

    def blame(self, trouble: str | None) -> None:
        """Remember what holds the work up now, free of secrets, for the message in case time runs out over it."""
        self._trouble = trouble

    def check(self) -> None:
        """Raise LoaderError DeadlineExceeded when the time is over; it says what the work was held up by."""
        if self._end is not None and self._clock() >= self._end:
            last = "" if self._trouble is None else f"; last: {self._trouble}"
            raise LoaderError(Reason.DEADLINE_EXCEEDED, f"not done within {self._seconds:g} s{last}")


def within(deadline: Deadline, work: Callable[[], _T]) -> _T:
    """Return what `work` returns, or leave it alone at the deadline.

    A server that sends a byte now and then starts each of a library's time-outs anew, and a name server's silence knows
    none: in a TLS handshake, a header or a listing, a pull would wait for ever.

    Raises:
        LoaderError: DeadlineExceeded; and whatever `work` raises.
    """
    done: Future[_T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001  (raised again by whoever waits)
            done.set_exception(error)

    threading.Thread(target=run, name="within", daemon=True).start()
    while not wait([done], deadline.remaining(_LOOK_UP_SECONDS)).done:
        deadline.check()
    return done.result()
