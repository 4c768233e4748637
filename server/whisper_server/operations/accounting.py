"""What every request leaves behind, whatever protocol it came by: its id, one line in the log, its metrics."""

import logging
import uuid

from whisper_server.operations.metrics import Metrics

#: Metadata, or header, in which a caller may send an id of its own, and gets it, or ours, back.
REQUEST_ID_KEY = "x-request-id"

_LONGEST_REQUEST_ID = 128

log = logging.getLogger(__name__)


def choose_request_id(sent: str | None) -> str:
    """Return the caller's own id when it can be sent back and logged as it is, else a new one."""
    if sent and sent.isascii() and sent.isprintable():
        return sent[:_LONGEST_REQUEST_ID]
    return uuid.uuid4().hex


def record_request(
    metrics: Metrics, method: str, code: str, trouble: str, seconds: float, level: int = logging.INFO
) -> None:
    """Count a request that has ended, and tell the log; `trouble` is the sentence of a failure, else empty."""
    metrics.requests.labels(method, code).inc()
    metrics.request_seconds.labels(method).observe(seconds)
    details = {"method": method, "code": code, "seconds": round(seconds, 4)}
    log.log(level, "%s %s%s", method, code, f": {trouble}" if trouble else "", extra=details)
