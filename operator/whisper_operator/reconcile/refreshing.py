"""Whether the source has moved since the artifact was pulled: a pure decision from what was observed and the time.

A Job asks; what it told is kept in the status, and the Job goes.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec.structs import replace

from whisper_contract.reasons import Reason as LoaderReason
from whisper_operator.api.model import Model
from whisper_operator.api.reasons import Finding, Reason
from whisper_operator.api.spec import RefreshPolicy
from whisper_operator.api.status import Artifact, Refresh
from whisper_operator.backoff import doubled
from whisper_operator.builders.refresh_job import DEADLINE_SECONDS
from whisper_operator.reconcile import jobs, pods
from whisper_operator.reconcile.claim_work import is_finished
from whisper_operator.reconcile.objects import JSON, dig, format_time, time_of
from whisper_operator.reconcile.observation import Observed

#: So many failures in a row, and a person is needed.
LASTING_FAILURES = 3

_LONGEST_WAIT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Refreshing:
    """The decision.

    Attributes:
        up_to_date: whether the source holds what the artifact was made of; None when that is not known.
        finding: why so.
        record: what is kept of the checks so far.
        start: whether the source is asked now.
        delete: Jobs that must go.
        look_again: when to decide anew if nothing happens before.
    """

    up_to_date: bool | None
    finding: Finding
    record: Refresh | None = None
    start: bool = False
    delete: tuple[JSON, ...] = ()
    look_again: timedelta | None = None

    @property
    def lasting_failure(self) -> Finding | None:
        """Why the source could not be asked for some time, or None."""
        failed = self.record is not None and self.record.failures >= LASTING_FAILURES
        return self.finding if failed else None


NOT_CHECKED = Refreshing(None, Finding(Reason.NOT_CHECKED))


def decide(seen: Observed, published: Artifact | None, now: datetime) -> Refreshing:
    """Return what is to be done to know of the source; `published` is what the spec asks for, once it is there."""
    model = seen.model
    idle = _unasked(model)
    if idle is not None:
        return Refreshing(*idle, model.status.refresh if model.spec.refresh else None, delete=seen.checks)
    ours = [job for job in seen.checks if jobs.inputs(job) == model.inputs]
    stale = tuple(job for job in seen.checks if job not in ours)
    if published is None:
        return _state(model, model.status.artifact, model.status.refresh, delete=seen.checks)
    if not ours:
        return _without_job(seen, published, now, stale)
    if not is_finished(ours[0]):
        return _state(model, published, model.status.refresh, delete=stale)
    record = _outcome(model, published, ours[0], seen.job_pods(ours[0]), now)
    due = time_of(record.checked_time) + delay(model, record)
    return _state(model, published, record, delete=seen.checks, look_again=due - now)


def _unasked(model: Model) -> tuple[bool | None, Finding] | None:
    """Return what is known of a source that is not asked; None of one that is."""
    if model.spec.source.is_fixed:
        return True, Finding(Reason.SOURCE_FIXED)
    if not model.pulls:
        return None, Finding(Reason.PINNED)
    if model.spec.refresh is None:
        return None, Finding(Reason.NOT_CHECKED, advice="Set spec.refresh to have it asked.")
    return None


def has_moved(model: Model, artifact: Artifact) -> bool:
    """Tell whether the source held something else than what `artifact` was made of when it was asked last."""
    record = model.status.refresh
    if model.spec.refresh is None or record is None or record.source is None:
        return False
    return record.compared_with == artifact.source and record.source != artifact.source


def is_followed(model: Model) -> bool:
    """Tell whether a source that has moved is pulled anew."""
    return model.spec.refresh is not None and model.spec.refresh.policy is RefreshPolicy.FOLLOW


def delay(model: Model, record: Refresh) -> timedelta:
    """Return how long after a check the next one is due: later with each failure, but at least every hour."""
    asked = model.spec.refresh
    interval = timedelta(seconds=asked.interval_seconds if asked is not None else 0)
    return doubled(interval, record.failures, max(interval, _LONGEST_WAIT))


def _without_job(seen: Observed, published: Artifact, now: datetime, stale: tuple[JSON, ...]) -> Refreshing:
    model, record = seen.model, seen.model.status.refresh
    last = _last_asked(seen, record)
    wait = timedelta(0) if last is None else last + delay(model, record or Refresh(checked_time="")) - now
    wanted_now = _last_retry(seen, record) != _hash(model.retry)
    if wait <= timedelta(0) or wanted_now:
        return _state(model, published, record, start=True, delete=stale)
    return _state(model, published, record, delete=stale, look_again=wait)


def _last_retry(seen: Observed, record: Refresh | None) -> str | None:
    """Return a hash of the retry annotation that was heeded last, by a check or by the pull."""
    if record is not None:
        return record.retry
    return _hash(jobs.retry_value(seen.pulls[-1])) if seen.pulls else None


def _hash(annotation: str) -> str | None:
    return hashlib.sha256(annotation.encode()).hexdigest()[:16] if annotation else None


def _last_asked(seen: Observed, record: Refresh | None) -> datetime | None:
    """Return when the source was asked last, by a check or by the pull itself; None when that is not known."""
    pulled = [jobs.finished(job) for job in seen.pulls[-1:] if jobs.succeeded(job)]
    checked = [time_of(record.checked_time)] if record is not None else []
    return max((*pulled, *checked), default=None)


def _outcome(model: Model, published: Artifact, job: JSON, job_pods: Sequence[JSON], now: datetime) -> Refresh:
    """Return the record with what the finished Job has told."""
    before = model.status.refresh or Refresh(checked_time="")
    checked = replace(before, checked_time=format_time(now), retry=_hash(model.retry))
    if not jobs.succeeded(job):
        return _failed(checked, _failure(job, job_pods))
    told = next((ending.message for pod in job_pods for ending in pods.endings(pod) if ending.message), None)
    if told is None:
        return _failed(checked, Finding(LoaderReason.INTERNAL_ERROR, "The check ended, and its pod is gone"))
    if told.source is None:
        return _failed(checked, Finding(Reason.SOURCE_UNVERSIONED))
    return replace(checked, source=told.source, compared_with=published.source, failures=0, reason=None, message=None)


def _failed(record: Refresh, finding: Finding) -> Refresh:
    return replace(record, failures=record.failures + 1, reason=str(finding.reason), message=finding.message)


def _failure(job: JSON, job_pods: Sequence[JSON]) -> Finding:
    if dig(jobs.end(job), "reason") == "DeadlineExceeded":
        text = f"The check did not end within {DEADLINE_SECONDS} s"
        return Finding(LoaderReason.DEADLINE_EXCEEDED, text, advice="Read the namespace's events (kubectl events).")
    return jobs.failure(job, job_pods)


def _state(
    model: Model,
    artifact: Artifact | None,
    record: Refresh | None,
    *,
    start: bool = False,
    delete: tuple[JSON, ...] = (),
    look_again: timedelta | None = None,
) -> Refreshing:
    stands, finding = _compared(model, artifact, record)
    return Refreshing(stands, finding, record, start, delete, look_again)


def _compared(model: Model, artifact: Artifact | None, record: Refresh | None) -> tuple[bool | None, Finding]:
    if record is None or artifact is None:
        return None, Finding(Reason.NOT_CHECKED)
    if record.failures and record.reason is not None:
        return None, Finding(record.reason, record.message or "", advice="")
    if record.source is None:
        return None, Finding(Reason.NOT_CHECKED)
    if record.source == artifact.source:
        return True, Finding(Reason.SOURCE_UNCHANGED)
    if record.compared_with != artifact.source:
        return None, Finding(Reason.NOT_CHECKED)
    what = "is pulled" if is_followed(model) else "is not pulled, since refresh.policy is Report"
    text = f"The source is {record.source} by now, which {what}; the artifact was made of {artifact.source}"
    return False, Finding(Reason.SOURCE_MOVED, text, advice="")
