"""What may be removed while a model lives on: artifacts that its status has named and names no more. Pure.

They stand in `status.unneeded` until a Job has removed them, so that a killed operator does not forget them; that a
Job has failed stands beside them, in `status.removal`, until another is due.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from whisper_operator.api.model import Model
from whisper_operator.api.status import FailedRemoval, Status
from whisper_operator.backoff import doubled
from whisper_operator.builders.gc_job import Removal, gc_job_name
from whisper_operator.reconcile import jobs, pods
from whisper_operator.reconcile.claim_work import is_finished
from whisper_operator.reconcile.events import Note
from whisper_operator.reconcile.objects import JSON, format_time, name, time_of
from whisper_operator.reconcile.observation import Observed
from whisper_operator.reconcile.tenants import digests_of, needed_by

# As the schema has it; what is beyond goes when it is older than an hour, with the next Job.
_MOST = 64
_LOOK_AGAIN = timedelta(seconds=5)
# Nothing waits for it but room on the volume, and a claim that cannot be written to is told by the pulls.
_FIRST_RETRY, _LONGEST_WAIT = timedelta(minutes=10), timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Retention:
    """The decision.

    Attributes:
        removal: what a Job is started to remove now.
        done: digests that need not be removed any more: they are gone, or somebody else's to remove.
        notes: events to write.
        delete: Jobs that must go.
        failed: that the last Job has failed, until another succeeds.
        look_again: when to decide anew if nothing happens before.
    """

    removal: Removal | None = None
    done: frozenset[str] = frozenset()
    notes: tuple[Note, ...] = ()
    delete: tuple[JSON, ...] = ()
    failed: FailedRemoval | None = None
    look_again: timedelta | None = None


def decide(seen: Observed, now: datetime) -> Retention:
    """Return what is to be removed: nothing under Retain, nor what a server may still read or another model needs."""
    unneeded = frozenset(seen.model.status.unneeded) if seen.model.deletes else frozenset()
    failed = seen.model.status.removal if unneeded else None
    keep = _kept(seen)
    removal = Removal(keep, unneeded)
    job = next((job for job in seen.removals if name(job) == gc_job_name(seen.model, removal)), None)
    if unneeded and job is not None and is_finished(job):
        return _outcome(seen, job, unneeded, now)
    stale = tuple(one for one in seen.removals if one is not job and is_finished(one))
    if not unneeded or job is not None:
        return Retention(delete=stale, failed=failed)
    if taken := unneeded & keep:
        return Retention(done=taken, delete=stale)
    if removal.too_many:
        return Retention(done=unneeded, delete=stale)
    wait = _due(failed) - now if failed is not None else timedelta(0)
    if wait > timedelta(0):
        return Retention(delete=stale, failed=failed, look_again=wait)
    served = {jobs.served(pod) for pod in seen.server_pods}
    ready = served.isdisjoint(unneeded)
    return Retention(removal if ready else None, delete=stale, failed=failed, look_again=_LOOK_AGAIN)


def _kept(seen: Observed) -> frozenset[str]:
    own = digests_of({"status": seen.model.status.to_json(), "spec": {"pin": seen.model.spec.pin}})
    return own | needed_by(seen.tenants) | seen.published


def _due(failed: FailedRemoval) -> datetime:
    """Return when another Job is started: 10, 20, 40 … minutes after the last, at most six hours."""
    return time_of(failed.failed_time) + _delay(failed.failures)


def _delay(failures: int) -> timedelta:
    return doubled(_FIRST_RETRY, failures - 1, _LONGEST_WAIT)


def _outcome(seen: Observed, job: JSON, unneeded: frozenset[str], now: datetime) -> Retention:
    job_pods, claim, before = seen.job_pods(job), seen.model.claim, seen.model.status.removal
    if not jobs.succeeded(job):
        if before is not None and jobs.finished(job) <= time_of(before.failed_time):  # told, and not gone yet
            return Retention(delete=(job,), failed=before, look_again=_LOOK_AGAIN)
        why, failures = jobs.failure(job, job_pods).message, 1 if before is None else before.failures + 1
        minutes = int(_delay(failures).total_seconds() // 60)
        text = f"Artifacts that nobody needs are left on the claim {claim}: {why} Another try follows in {minutes} min."
        failed = FailedRemoval(failures=failures, failed_time=format_time(now), message=why)
        left = Note("Warning", "ArtifactsLeft", text)
        return Retention(notes=(left,), delete=(job,), failed=failed, look_again=_delay(failures))
    told = next((ending.message for pod in job_pods for ending in pods.endings(pod) if ending.message), None)
    text = f"Artifacts that are no longer kept were removed from the claim {claim}"
    note = Note("Normal", "ArtifactsRemoved", f"{text}: {told.message}." if told else f"{text}.")
    return Retention(done=unneeded, notes=(note,), delete=(job,))


def unneeded(model: Model, after: Status, done: frozenset[str]) -> tuple[str, ...]:
    """Return what the status has named up to now, names no more `after`, and is not `done`."""
    if not model.deletes:
        return ()
    named = digests_of({"status": model.status.to_json()}) | frozenset(model.status.unneeded)
    needed = digests_of({"status": after.to_json(), "spec": {"pin": model.spec.pin}})
    return tuple(sorted(named - needed - done)[:_MOST])
