"""What a visit sees before it decides: what the API server has told, and nothing that we would have to remember."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from whisper_operator.api import names
from whisper_operator.api.model import InvalidModel, Model, is_deleted, parse_model
from whisper_operator.api.names import ModelKey
from whisper_operator.api.status import Artifact, Phase
from whisper_operator.kube import kinds
from whisper_operator.kube.client import KubeClient
from whisper_operator.kube.mirror import Mirror
from whisper_operator.reconcile import jobs, mounts
from whisper_operator.reconcile.objects import JSON, controller, dig, is_terminating, name
from whisper_operator.reconcile.tenants import Tenant, tenants

READ_WRITE_MANY = "ReadWriteMany"


@dataclass(frozen=True, slots=True)
class Observed:
    """A WhisperModel and what is there for it.

    Attributes:
        claim: the claim of the artifacts, named or made.
        source_claim: the claim that a volume source names.
        jobs: its pull Jobs, of any inputs, in the order of their attempts; those being deleted left out.
        removals: its Jobs that remove artifacts which it no longer needs.
        published: what pulls into the claim have published, perhaps in no status yet; read only before a removal.
        checks: its Jobs that ask the source what it holds now.
        pods: of Jobs and Deployment.
        events: of the running Job, read only while that has no pod, or of its pod while kubelet prepares it.
        server_events: of a server's pod while kubelet prepares it.
        claim_events: of the claim, read only while a pull waits for it to get a volume.
        autoscaler: its HorizontalPodAutoscaler.
        neighbours: other WhisperModels whose servers have the claim on their node, where only one node can; read only
            when a Job may have to be placed.
        peers: the other WhisperModels on the same claim, read only when a pull may have to be started.
        tenants: those that are on the same claim, read only then and where others are known to be on it.
    """

    model: Model
    claim: JSON | None = None
    source_claim: JSON | None = None
    jobs: tuple[JSON, ...] = ()
    removals: tuple[JSON, ...] = ()
    published: frozenset[str] = frozenset()
    checks: tuple[JSON, ...] = ()
    pods: tuple[JSON, ...] = ()
    events: tuple[JSON, ...] = ()
    server_events: tuple[JSON, ...] = ()
    claim_events: tuple[JSON, ...] = ()
    deployment: JSON | None = None
    autoscaler: JSON | None = None
    peers: tuple[Model, ...] = ()
    tenants: tuple[Tenant, ...] = ()
    neighbours: tuple[str, ...] = ()

    @property
    def pulls(self) -> tuple[JSON, ...]:
        """The Jobs that pull what the spec asks for now, oldest attempt first."""
        inputs = self.model.inputs
        return tuple(job for job in self.jobs if jobs.inputs(job) == inputs)

    @property
    def recorded(self) -> Artifact | None:
        """What the spec asks for, when the status says that it is published."""
        target = self.model.status.target
        if target is None or target.inputs_hash != self.model.inputs:
            return None
        return target.artifact if target.state in (Phase.PUBLISHED, Phase.REJECTED) else None

    def job_pods(self, job: JSON) -> list[JSON]:
        """Return the pods of `job`."""
        return [pod for pod in self.pods if controller(pod) == job["metadata"]["uid"]]

    @property
    def server_pods(self) -> list[JSON]:
        """The pods of the Deployment."""
        return list(filter(_is_server, self.pods))


def is_shared(claim: JSON | None) -> bool:
    """Tell whether a claim that was made for one WhisperModel is, or was, named by another."""
    return dig(claim, "metadata", "annotations", names.ANNOTATION_SHARED) is not None


def is_shared_by_nodes(claim: JSON | None) -> bool:
    """Tell whether pods of several nodes can mount the claim; not so of one that is not there."""
    return READ_WRITE_MANY in (dig(claim, "spec", "accessModes") or ())


def is_pending(claim: JSON | None) -> bool:
    """Tell whether the claim has no volume yet.

    That alone is no trouble: with WaitForFirstConsumer it stays so until a pod that mounts it is scheduled.
    """
    return claim is None or dig(claim, "status", "phase") == "Pending"


def is_placed_server(pod: JSON) -> bool:
    """Tell whether a pod is a server that has, and keeps, a node."""
    return _is_server(pod) and bool(dig(pod, "spec", "nodeName")) and not is_terminating(pod)


def _is_server(pod: JSON) -> bool:
    return bool(dig(pod, "metadata", "labels", names.LABEL_COMPONENT) == names.COMPONENT_SERVER)


def observe(mirror: Mirror, client: KubeClient, model: Model) -> Observed:
    """Read what is there for `model`: of the mirror what is watched, and through `client` the rest."""
    namespace, volume = model.namespace, model.spec.source.volume
    own_jobs = [
        job for job in mirror.children(kinds.JOB, model.key) if controller(job) == model.uid and not is_deleted(job)
    ]
    pulls = [job for job in own_jobs if jobs.component(job) == names.COMPONENT_PULL]
    seen = Observed(
        model=model,
        claim=_claim(mirror, model),
        source_claim=mirror.find(kinds.CLAIM, namespace, volume.claim_name) if volume else None,
        jobs=tuple(sorted(pulls, key=jobs.attempt)),
        removals=tuple(job for job in own_jobs if jobs.component(job) == names.COMPONENT_GC),
        checks=tuple(job for job in own_jobs if jobs.component(job) == names.COMPONENT_REFRESH),
        pods=tuple(mirror.children(kinds.POD, model.key)),
        deployment=mirror.child(kinds.DEPLOYMENT, namespace, names.deployment(model.name)),
        autoscaler=mirror.child(kinds.AUTOSCALER, namespace, names.deployment(model.name)),
    )
    return _look_closer(mirror, client, _with_endings(mirror, seen))


def _claim(mirror: Mirror, model: Model) -> JSON | None:
    named = model.spec.cache.claim_name is not None
    return (mirror.find if named else mirror.child)(kinds.CLAIM, model.namespace, model.claim)


def _with_endings(mirror: Mirror, seen: Observed) -> Observed:
    """See to it that of Jobs that have ended, the pods that tell how are seen.

    Jobs and pods are watched apart, so that a Job may be seen to have ended before its pod is.
    """
    asked = (*(() if seen.recorded else seen.pulls[-1:]), *seen.removals, *seen.checks)
    if all(jobs.tells_its_end(job, seen.job_pods(job)) for job in asked):
        return seen
    mirror.relist_children(kinds.POD, seen.model.key)
    return replace(seen, pods=tuple(mirror.children(kinds.POD, seen.model.key)))


def _look_closer(mirror: Mirror, client: KubeClient, seen: Observed) -> Observed:
    """Read what only some visits need."""
    running = seen.pulls[-1] if seen.pulls and jobs.is_active(seen.pulls[-1]) else None
    may_start = running is None and seen.recorded is None and seen.model.pulls
    removes = bool(seen.model.status.unneeded) and seen.model.deletes
    if may_start or removes or (seen.model.spec.cache.claim_name is None and is_shared(seen.claim)):
        seen = _with_others(mirror, seen)
    places = may_start or removes or running is not None
    return replace(
        seen,
        neighbours=_neighbours(mirror, seen) if places and not is_shared_by_nodes(seen.claim) else (),
        published=_published(client, seen.model) if removes else frozenset(),
        events=_pull_events(client, running, seen.job_pods(running)) if running is not None else (),
        server_events=_warnings(client, mounts.waiting_pod(seen.server_pods)),
        claim_events=_claim_events(client, seen.claim) if running is not None else (),
    )


def _published(client: KubeClient, model: Model) -> frozenset[str]:
    labels = f"{names.on_claim(model.claim)},{names.LABEL_COMPONENT}={names.COMPONENT_PULL}"
    others = [pod for pod in client.list(kinds.POD, model.namespace, labels=labels) if _is_others(pod, model)]
    artifacts = (jobs.published([pod]) for pod in others)
    return frozenset(artifact.digest for artifact in artifacts if artifact is not None and artifact.digest)


def _is_others(pod: JSON, model: Model) -> bool:
    return bool(dig(pod, "metadata", "labels", names.LABEL_MODEL) != model.name)


def _pull_events(client: KubeClient, job: JSON, job_pods: Sequence[JSON]) -> tuple[JSON, ...]:
    if job_pods:
        return _warnings(client, mounts.waiting_pod(job_pods))
    return _events(client, job, "reason=FailedCreate")


def _warnings(client: KubeClient, pod: JSON | None) -> tuple[JSON, ...]:
    return () if pod is None else _events(client, pod, "type=Warning")


def _claim_events(client: KubeClient, claim: JSON | None) -> tuple[JSON, ...]:
    return _events(client, claim) if claim is not None and is_pending(claim) else ()


def _events(client: KubeClient, about: JSON, *which: str) -> tuple[JSON, ...]:
    metadata = about["metadata"]
    fields = ",".join((f"involvedObject.uid={metadata['uid']}", *which))
    return tuple(client.list(kinds.EVENT, metadata["namespace"], fields=fields))


def _neighbours(mirror: Mirror, seen: Observed) -> tuple[str, ...]:
    model = seen.model
    found = (ModelKey(model.namespace, name(body)) for body in mirror.models_on(model.namespace, model.claim))
    others = (key for key in found if key != model.key)
    return tuple(key.name for key in others if any(map(is_placed_server, mirror.children(kinds.POD, key))))


def _with_others(mirror: Mirror, seen: Observed) -> Observed:
    on_claim = mirror.models_on(seen.model.namespace, seen.model.claim)
    others = [body for body in on_claim if not is_deleted(body) and body["metadata"]["uid"] != seen.model.uid]
    peers = tuple(peer for peer in map(parse_model, others) if not isinstance(peer, InvalidModel))
    return replace(seen, peers=peers, tenants=tenants(others, seen.model.claim))
