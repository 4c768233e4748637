"""What may be removed while a model lives on: artifacts that its status has named and names no more. Pure.

They stand in `status.unneeded` until a Job has removed them, so that a killed operator does not forget them.
"""

from dataclasses import dataclass
from datetime import timedelta

from whisper_operator.api.model import Model
from whisper_operator.api.status import Status
from whisper_operator.builders.gc_job import Removal, gc_job_name
from whisper_operator.reconcile import jobs, pods
from whisper_operator.reconcile.claim_work import is_finished
from whisper_operator.reconcile.events import Note
from whisper_operator.reconcile.objects import JSON, name
from whisper_operator.reconcile.observation import Observed
from whisper_operator.reconcile.tenants import digests_of, needed_by

# As the schema has it; what is beyond goes when it is older than an hour, with the next Job.
_MOST = 64
_LOOK_AGAIN = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Retention:
    """The decision.

    Attributes:
        removal: what a Job is started to remove now.
        done: digests that need not be removed any more: they are gone, or somebody else's to remove.
        notes: events to write.
        delete: Jobs that must go.
        look_again: when to decide anew if nothing happens before.
    """

    removal: Removal | None = None
    done: frozenset[str] = frozenset()
    notes: tuple[Note, ...] = ()
    delete: tuple[JSON, ...] = ()
    look_again: timedelta | None = None


def decide(seen: Observed) -> Retention:
    """Return what is to be removed: nothing under Retain, nor what a server may still read or another model needs."""
    unneeded = frozenset(seen.model.status.unneeded) if seen.model.deletes else frozenset()
    keep = _kept(seen)
    removal = Removal(keep, unneeded)
    job = next((job for job in seen.removals if name(job) == gc_job_name(seen.model, removal)), None)
    if unneeded and job is not None and is_finished(job):
        return _outcome(seen, job, unneeded)
    stale = tuple(one for one in seen.removals if one is not job and is_finished(one))
    if not unneeded or job is not None:
        return Retention(delete=stale)
    if taken := unneeded & keep:
        return Retention(done=taken, delete=stale)
    if removal.too_many:
        return Retention(done=unneeded, delete=stale)
    served = {jobs.served(pod) for pod in seen.server_pods}
    ready = served.isdisjoint(unneeded)
    return Retention(removal if ready else None, delete=stale, look_again=_LOOK_AGAIN)


def _kept(seen: Observed) -> frozenset[str]:
    own = digests_of({"status": seen.model.status.to_json(), "spec": {"pin": seen.model.spec.pin}})
    return own | needed_by(seen.tenants) | seen.published


def _outcome(seen: Observed, job: JSON, unneeded: frozenset[str]) -> Retention:
    job_pods, claim = seen.job_pods(job), seen.model.claim
    if not jobs.succeeded(job):
        text = (
            f"Artifacts that nobody needs are left on the claim {claim}: {jobs.failure(job, job_pods).message} "
            "They go with the next Job that removes artifacts there."
        )
        return Retention(done=unneeded, notes=(Note("Warning", "ArtifactsLeft", text),), delete=(job,))
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
