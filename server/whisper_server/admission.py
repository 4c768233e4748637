"""Who may come in: a bounded number of requests, the rest refused before any work is done for them."""

from collections.abc import Iterator
from contextlib import contextmanager

from whisper_server.errors import OverloadedError
from whisper_server.metrics import Metrics

#: About the time of a few short clips; clients add their own backoff.
_RETRY_AFTER_SECONDS = 2.0


class Admission:
    """Counts the requests inside; used from the event loop only."""

    def __init__(self, max_waiting: int, metrics: Metrics) -> None:
        self._max_waiting = max_waiting
        self._metrics = metrics
        self._inside = 0

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Hold a place while a request is worked on or waits.

        Raises:
            OverloadedError: when there is none.
        """
        if self._inside > self._max_waiting:
            raise OverloadedError(
                f"the server is busy, and {self._max_waiting} more requests wait already: try again later",
                _RETRY_AFTER_SECONDS,
            )
        self._change(+1)
        try:
            yield
        finally:
            self._change(-1)

    def _change(self, by: int) -> None:
        self._inside += by
        self._metrics.requests_in_progress.set(self._inside)
        self._metrics.queue_depth.set(max(0, self._inside - 1))
