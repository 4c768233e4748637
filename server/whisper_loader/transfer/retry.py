"""Patience with networks: what fails as SourceUnreachable is tried again, after a pause that grows."""

import random
import threading
from collections.abc import Callable
from typing import TypeVar

from whisper_contract.reasons import Reason
from whisper_loader.deadline import Deadline
from whisper_loader.errors import LoaderError

#: Tries in a row that bring nothing before it is given up.
ATTEMPTS = 5

#: Before the second try; each pause after it is twice as long.
FIRST_PAUSE_SECONDS = 0.5

_T = TypeVar("_T")


class Patience:
    """Counts failures in a row and waits between them. Used by one thread; `stop` may come from another."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._failures = 0
        self._stopped = threading.Event()

    def succeeded(self) -> None:
        """Forget the failures before: something came."""
        if self._failures:
            self._deadline.blame(None)
        self._failures = 0

    def pause_after(self, error: LoaderError) -> None:
        """Wait before another try, or raise `error` when none would help.

        The pause doubles each time, with jitter (https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/),
        and is no shorter than the source asked for.

        Raises:
            LoaderError: `error`, or DeadlineExceeded.
        """
        self._failures += 1
        if error.reason is not Reason.SOURCE_UNREACHABLE or self._failures == ATTEMPTS or self._stopped.is_set():
            raise error
        self._deadline.blame(error.message)
        backoff = FIRST_PAUSE_SECONDS * 2 ** (self._failures - 1) * random.uniform(0.5, 1.5)  # noqa: S311  (no secret)
        self._stopped.wait(self._deadline.remaining(max(backoff, error.retry_after or 0.0)))
        self._deadline.check()

    def stop(self) -> None:
        """End a pause at once, and allow no further try."""
        self._stopped.set()


def retry(work: Callable[[], _T], deadline: Deadline) -> _T:
    """Return what `work` returns, trying `ATTEMPTS` times while it says SourceUnreachable."""
    patience = Patience(deadline)
    while True:
        try:
            done = work()
        except LoaderError as error:
            patience.pause_after(error)
        else:
            patience.succeeded()
            return done
