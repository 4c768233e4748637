"""What becomes of the artifacts of a WhisperModel that is being deleted: a pure decision from what was observed.

Of its spec, only what can be read is read, and nothing of what it asks for has to be found. Whatever happens, it is let
go after a limit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from whisper_contract.reasons import Reason as LoaderReason
from whisper_operator.api import names
from whisper_operator.api.model import Model, parse_leniently
from whisper_operator.api.reasons import Finding, Reason
from whisper_operator.builders.gc_job import Removal, gc_job_name
from whisper_operator.builders.placement import PullPlacement
from whisper_operator.kube import kinds
from whisper_operator.kube.client import KubeClient
from whisper_operator.reconcile import jobs, pods
from whisper_operator.reconcile.claim_work import at_work, is_finished
from whisper_operator.reconcile.events import Note
from whisper_operator.reconcile.objects import JSON, controller, dig, is_terminating, name, time_of
from whisper_operator.reconcile.observation import is_pending, is_placed_server, is_shared_by_nodes
from whisper_operator.reconcile.tenants import Tenant, digests_of, needed_by, tenants

#: What Kubernetes sets where a person deletes with --cascade=orphan: the servers are to stay, and so is their model.
_ORPHAN = "orphan"

_AT_WORK = Finding(Reason.DELETING)
_LAST = Removal(keep=(), unneeded=(), last=True)


@dataclass(frozen=True, slots=True)
class Leaving:
    """A WhisperModel that is being deleted, and what is there of it.

    Attributes:
        model: as far as its spec can be read.
        deleted: when it was deleted.
        digests: of the artifacts that it refers to.
        claim: the claim that they are on.
        others: who else is on that claim.
        jobs: all that mount the claim, anybody's.
        pods: of those Jobs.
        servers: its own server pods, and on a claim of one node those of the others too.
        deployment: its own, unless that is gone or being deleted.
    """

    model: Model
    deleted: datetime
    digests: frozenset[str] = frozenset()
    claim: JSON | None = None
    others: tuple[Tenant, ...] = ()
    jobs: tuple[JSON, ...] = ()
    pods: tuple[JSON, ...] = ()
    servers: tuple[JSON, ...] = ()
    deployment: JSON | None = None

    @property
    def keeps(self) -> bool:
        """Whether what is on the claim is to stay."""
        return not self.model.deletes or _ORPHAN in self.model.finalizers

    @property
    def claim_goes(self) -> bool:
        """Whether the claim goes with it, and the artifacts with the claim."""
        return self.model.spec.cache.claim_name is None and not self.others

    @property
    def last_job(self) -> JSON | None:
        """The Job that removes the artifacts."""
        wanted = gc_job_name(self.model, _LAST)
        return next((job for job in self.jobs if name(job) == wanted), None)

    @property
    def removal(self) -> Removal:
        """What that Job is told."""
        keep = needed_by(self.others) | self._published_by_others()
        return Removal(keep=keep, unneeded=self.digests - keep, last=True)

    @property
    def placement(self) -> PullPlacement:
        """Where it may run."""
        if is_shared_by_nodes(self.claim):
            return PullPlacement.ANYWHERE
        return PullPlacement.WITH_SERVERS if self.beside else PullPlacement.LIKE_SERVERS

    @property
    def beside(self) -> list[str]:
        """The models whose servers hold the claim on their node."""
        return sorted({_model_of(pod) for pod in filter(is_placed_server, self.servers)} - {self.model.name})

    def is_own(self, body: JSON) -> bool:
        """Tell whether a Job or pod was made for the model."""
        return _model_of(body) == self.model.name

    def _published_by_others(self) -> frozenset[str]:
        """What their pulls have published a moment ago, and is in no status yet."""
        found = (jobs.published([pod]) for pod in self.pods if not self.is_own(pod))
        return frozenset(artifact.digest for artifact in found if artifact is not None and artifact.digest is not None)


def _model_of(body: JSON) -> str:
    return str(dig(body, "metadata", "labels", names.LABEL_MODEL))


@dataclass(frozen=True, slots=True)
class Ending:
    """The decision.

    Attributes:
        release: whether the model is let go now.
        finding: what it waits for; said in the status.
        notes: events to write.
        owns_claim: whether the claim made for it is its own, and goes; None leaves that as it is.
        stop_servers: whether the Deployment is deleted.
        delete: Jobs that are deleted.
        removal: what a Job is started to remove.
    """

    release: bool
    finding: Finding = _AT_WORK
    notes: tuple[Note, ...] = ()
    owns_claim: bool | None = None
    stop_servers: bool = False
    delete: tuple[JSON, ...] = ()
    removal: Removal | None = None


def observe_leaving(client: KubeClient, body: JSON) -> Leaving:
    """Read what is there of the WhisperModel that `body` holds."""
    model = parse_leniently(body)
    claim = client.get(kinds.CLAIM, model.namespace, model.claim)
    everybody = client.list(kinds.MODEL, model.namespace)
    others = tenants((one for one in everybody if one["metadata"]["uid"] != model.uid), model.claim)
    mounts = names.on_claim(model.claim)
    deployment = client.get(kinds.DEPLOYMENT, model.namespace, names.deployment(model.name))
    own = deployment is not None and controller(deployment) == model.uid and not is_terminating(deployment)
    return Leaving(
        model=model,
        deleted=time_of(body["metadata"]["deletionTimestamp"]),
        digests=digests_of(body) | frozenset(model.status.unneeded),
        claim=claim,
        others=others,
        jobs=tuple(client.list(kinds.JOB, model.namespace, labels=mounts)),
        pods=tuple(client.list(kinds.POD, model.namespace, labels=mounts)),
        servers=tuple(_servers(client, model, claim, others)),
        deployment=deployment if own else None,
    )


def _servers(client: KubeClient, model: Model, claim: JSON | None, others: Sequence[Tenant]) -> list[JSON]:
    beside = [] if is_shared_by_nodes(claim) else [tenant.name for tenant in others]
    whose = [model.name, *beside]
    labels = f"{names.LABEL_COMPONENT}={names.COMPONENT_SERVER},{names.LABEL_MODEL} in ({','.join(whose)})"
    return client.list(kinds.POD, model.namespace, labels=labels)


def decide(seen: Leaving, now: datetime, limit: timedelta) -> Ending:
    """Return what is to be done; after `limit` the model is let go whatever there is still to do."""
    return _without_work(seen) or _with_work(seen, now, limit)


def _without_work(seen: Leaving) -> Ending | None:
    """Return how the model is let go when nothing is, or no more is, to be removed; None when something is."""
    if seen.keeps or seen.claim is None or is_terminating(seen.claim):
        return Ending(release=True)
    if seen.claim_goes:
        return Ending(release=True, owns_claim=True)
    if is_pending(seen.claim):  # nothing was ever written to it
        return Ending(release=True, owns_claim=False)
    if seen.last_job is not None and is_finished(seen.last_job):
        return _ended(seen, seen.last_job)
    return None


def _with_work(seen: Leaving, now: datetime, limit: timedelta) -> Ending:
    if seen.removal.too_many:
        return _give_up(seen, "too many artifacts are in use there to be named to one Job")
    waits = _waits_for(seen, now)
    if now - seen.deleted > limit:
        return _give_up(seen, f"after {int(limit.total_seconds())} s, {waits or 'no Job could be started for that'}")
    if waits is None:
        return Ending(release=False, removal=seen.removal)
    own = tuple(job for job in seen.jobs if seen.is_own(job) and job is not seen.last_job and not is_terminating(job))
    return Ending(
        release=False,
        finding=Finding(Reason.DELETING, f"Its artifacts are to be removed from the claim {seen.model.claim}: {waits}"),
        stop_servers=seen.deployment is not None,
        delete=own,
    )


def _waits_for(seen: Leaving, now: datetime) -> str | None:
    """Return what has to happen before the Job can be started, or what became of it; None when it can be started."""
    if seen.last_job is not None:
        return _state(seen.last_job, [pod for pod in seen.pods if controller(pod) == seen.last_job["metadata"]["uid"]])
    if seen.deployment is not None or any(seen.is_own(pod) for pod in at_work((), seen.servers, now)):
        return "its servers have not ended yet"
    busy = at_work(seen.jobs, seen.pods, now)
    if any(seen.is_own(one) for one in busy):
        return "its pull has not ended yet"
    if busy:
        whose = ", ".join(sorted({_model_of(one) for one in busy}))
        return f"the Jobs that are at work there have not ended yet (of the WhisperModels {whose})"
    return None


def _state(job: JSON, job_pods: Sequence[JSON]) -> str:
    found = (pods.obstacle(pod, claim_pending=False, otherwise=LoaderReason.INTERNAL_ERROR) for pod in job_pods)
    trouble = next(filter(None, found), None) or jobs.failed_try(job_pods)
    return f"the Job {name(job)} has not ended yet" + (f" ({trouble.detail or trouble.message})" if trouble else "")


def _ended(seen: Leaving, job: JSON) -> Ending:
    job_pods = [pod for pod in seen.pods if controller(pod) == job["metadata"]["uid"]]
    if not jobs.succeeded(job):
        return _give_up(seen, f"the Job that was to remove it failed: {jobs.failure(job, job_pods).message}")
    told = next((ending.message for pod in job_pods for ending in pods.endings(pod) if ending.message), None)
    text = f"The artifacts were removed from the claim {seen.model.claim}"
    done = Note("Normal", "ArtifactsRemoved", f"{text}: {told.message}." if told else f"{text}.")
    return Ending(release=True, notes=(done, *_kept_claim(seen)), owns_claim=False, delete=(job,))


def _give_up(seen: Leaving, why: str) -> Ending:
    text = (
        f"Artifacts may be left on the claim {seen.model.claim}: {why}. They go when artifacts of another WhisperModel "
        "are removed there, or with whisper-model gc by hand."
    )
    own = tuple(job for job in seen.jobs if seen.is_own(job) and not is_terminating(job))
    note = Note("Warning", "ArtifactsLeft", text)
    return Ending(release=True, notes=(note, *_kept_claim(seen)), owns_claim=False, delete=own)


def _kept_claim(seen: Leaving) -> tuple[Note, ...]:
    if seen.model.spec.cache.claim_name is not None:
        return ()
    users = ", ".join(tenant.name for tenant in seen.others)
    text = (
        f"The claim {seen.model.claim} stays, since other WhisperModels name it: {users}. Delete it when they are gone."
    )
    return (Note("Normal", "ClaimKept", text),)


def retained(body: JSON) -> Note | None:
    """Return what to say of a WhisperModel that is gone and whose artifacts stay; None when there is nothing to say."""
    model, digests = parse_leniently(body), sorted(digests_of(body))
    if model.deletes or not digests:
        return None
    return Note(
        "Normal", "ArtifactsRetained", f"The claim {model.claim} stays with the artifacts {', '.join(digests)}."
    )
