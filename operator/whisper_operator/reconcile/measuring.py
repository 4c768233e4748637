"""Counting pulls that have ended: when the status that tells of it is written, and so once each."""

from datetime import timedelta

from whisper_operator.api.status import Phase, Status
from whisper_operator.metrics import Metrics
from whisper_operator.reconcile import jobs
from whisper_operator.reconcile.objects import JSON, time_of
from whisper_operator.reconcile.observation import Observed


def measure_pull(metrics: Metrics, seen: Observed, status: Status) -> None:
    """Count the newest pull if `status`, unlike the one before it, says that it has ended."""
    before, after = seen.model.status.target, status.target
    if before is None or after is None or not seen.pulls or before.state is not Phase.PULLING:
        return
    match after.state:
        case Phase.FAILED:
            metrics.pulls.labels(after.reason).inc()
        case Phase.PUBLISHED:
            metrics.pulls.labels(after.reason).inc()
            metrics.pull_seconds.observe(_duration(seen.pulls[-1]).total_seconds())
            metrics.pull_bytes.inc((after.artifact and after.artifact.size_bytes) or 0)


def _duration(job: JSON) -> timedelta:
    return jobs.finished(job) - time_of(job["metadata"]["creationTimestamp"])
