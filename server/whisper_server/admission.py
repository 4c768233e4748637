"""Who may come in: a bounded number of requests and of streams, the rest refused before any work is done for them."""

from collections.abc import Iterator
from contextlib import contextmanager

from whisper_server.errors import OverloadedError
from whisper_server.metrics import Metrics

#: About the time of a few short clips; clients add their own backoff.
_RETRY_AFTER_SECONDS = 2.0


class Admission:
    """Counts the requests and streams inside; used from the event loop only."""

    def __init__(self, max_waiting: int, metrics: Metrics, max_streams: int = 32) -> None:
        self._max_waiting = max_waiting
        self._max_streams = max_streams
        self._metrics = metrics
        self._inside = 0
        self._streams = 0

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

    @contextmanager
    def admit_stream(self) -> Iterator[None]:
        """Hold a place while a live stream is listened to; streams last, and take no request's place.

        Raises:
            OverloadedError: when there is none.
        """
        if self._streams >= self._max_streams:
            raise OverloadedError(
                f"the server listens to {self._max_streams} live streams, and to no more: try again later",
                _RETRY_AFTER_SECONDS,
            )
        self._change_streams(+1)
        try:
            yield
        finally:
            self._change_streams(-1)

    def _change_streams(self, by: int) -> None:
        self._streams += by
        self._metrics.active_streams.set(self._streams)

    def _change(self, by: int) -> None:
        self._inside += by
        self._metrics.requests_in_progress.set(self._inside)
        self._metrics.queue_depth.set(max(0, self._inside - 1))
