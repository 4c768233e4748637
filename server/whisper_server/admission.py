"""Who may come in: a bounded number of requests and of streams, the rest refused before any work is done for them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from whisper_server.errors import OverloadedError
from whisper_server.operations.metrics import Metrics

#: Bounds of the hint; clients add their own backoff.
_SOONEST_SECONDS = 0.5
_LATEST_SECONDS = 30.0
#: Before the first request has ended: about the time of a few short clips.
_FIRST_GUESS_SECONDS = 2.0
#: How much the latest request counts: about the last ten do.
_LATEST_COUNTS = 0.1


class Admission:
    """Counts the requests and streams inside; used from the event loop only."""

    def __init__(self, max_requests: int, metrics: Metrics, max_streams: int = 32) -> None:
        self._max_requests = max_requests
        self._max_streams = max_streams
        self._metrics = metrics
        self._inside = 0
        self._streams = 0
        self._usual_seconds = _FIRST_GUESS_SECONDS

    @property
    def retry_after_seconds(self) -> float:
        """Return when trying again is worthwhile: what is inside now is done in about the time that requests take."""
        return min(max(self._usual_seconds, _SOONEST_SECONDS), _LATEST_SECONDS)

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Hold a place while a request is worked on or waits.

        Raises:
            OverloadedError: when there is none.
        """
        if self._inside >= self._max_requests:
            raise OverloadedError(
                f"the server is busy with {self._max_requests} requests, and takes no more: try again later",
                self.retry_after_seconds,
            )
        began = time.monotonic()
        self._change(+1)
        try:
            yield
        finally:
            self._change(-1)
            self._usual_seconds += _LATEST_COUNTS * (time.monotonic() - began - self._usual_seconds)

    @contextmanager
    def admit_stream(self) -> Iterator[None]:
        """Hold a place while a live stream is listened to; streams last, and take no request's place.

        Raises:
            OverloadedError: when there is none.
        """
        if self._streams >= self._max_streams:
            raise OverloadedError(
                f"the server listens to {self._max_streams} live streams, and to no more: try again later",
                self.retry_after_seconds,
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
