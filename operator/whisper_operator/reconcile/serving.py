"""What the servers are up to, from the Deployment's status and the pods that are not well."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from whisper_contract.reasons import Reason as LoaderReason
from whisper_operator.api import names
from whisper_operator.api.reasons import Finding, Reason
from whisper_operator.api.status import Artifact
from whisper_operator.builders.server_files import server_files
from whisper_operator.reconcile import jobs, mounts, pods, refusals
from whisper_operator.reconcile.causes import cause_of
from whisper_operator.reconcile.objects import JSON, condition, dig, each, is_terminating, time_of
from whisper_operator.reconcile.observation import Observed, is_pending


@dataclass(frozen=True, slots=True)
class Serving:
    """The state of the servers.

    Attributes:
        wanted: servers that the spec asks for.
        replicas: servers that there are, old and new.
        ready: those of them that are ready.
        finding: what they are up to.
        settled: whether all that are wanted, and no others, are there and ready with the Deployment's present template.
        key: of the artifact that this template serves.
    """

    wanted: int
    replicas: int
    ready: int
    finding: Finding
    settled: bool = False
    key: str | None = None

    def serves(self, artifact: Artifact) -> bool:
        """Tell whether all servers serve the artifact. With none there is nobody to tell."""
        return self.settled and self.wanted > 0 and self.key == artifact.key


def observe_servers(
    deployment: JSON | None,
    server_pods: Sequence[JSON],
    wanted: int,
    *,
    claim_pending: bool,
    hindered: Finding | None = None,
) -> Serving | None:
    """Return the state of the servers; None while there is no Deployment.

    Args:
        deployment: as it is now.
        server_pods: its pods.
        wanted: how many the spec asks for.
        claim_pending: whether the claim that they mount has no volume yet.
        hindered: what keeps kubelet from making one of them.
    """
    if deployment is None:
        return None
    replicas, ready = _count(deployment, "replicas"), _count(deployment, "readyReplicas")
    key = _key(deployment)
    finding = _settled(deployment, wanted)
    if finding is not None:
        return Serving(wanted, replicas, ready, finding, settled=True, key=key)
    trouble = _refused(deployment) or _trouble(server_pods, claim_pending=claim_pending) or hindered
    trouble = trouble or _overdue(deployment)
    text = f"{ready} of {wanted} servers are ready, and {_under_way(deployment, wanted)}"
    return Serving(wanted, replicas, ready, trouble or Finding(Reason.ROLLING_OUT, text), key=key)


def _under_way(deployment: JSON, wanted: int) -> str:
    """Return what goes on: the rollout of a change, which is named, or servers that are replaced as they were."""
    progress = condition(deployment, "Progressing")
    rolled_out = _is_observed(deployment) and dig(progress, "reason") == "NewReplicaSetAvailable"
    if rolled_out and _count(deployment, "replicas") == _count(deployment, "updatedReplicas") == wanted:
        return "the others are being started"
    cause = cause_of(deployment)
    return f"a rollout is under way: {cause} changed" if cause else "a rollout is under way"


def failed_rollout(seen: Observed, artifact: Artifact, now: datetime) -> Finding | None:
    """Return why servers did not become ready with `artifact` within the rollout's deadline; None while they may."""
    deployment = seen.deployment
    if deployment is None or _key(deployment) != artifact.key or not _is_observed(deployment):
        return None
    stalled, refused = _stalled(deployment), _refused(deployment)
    if stalled is None:
        return None
    if refused is not None:
        return refused
    with_it = [pod for pod in seen.server_pods if jobs.served(pod) == artifact.key]
    passed, deadline = time_of(stalled["lastUpdateTime"]), deployment["spec"]["progressDeadlineSeconds"]
    if not any(_had_its_time(pod, passed, timedelta(seconds=deadline), now) for pod in with_it):
        return None
    return _trouble(with_it, claim_pending=is_pending(seen.claim)) or hindrance(seen) or _overdue(deployment)


def _had_its_time(pod: JSON, passed: datetime, deadline: timedelta, now: datetime) -> bool:
    """Tell whether the deadline that has passed was this pod's, and not that of an earlier try with the same template.

    A Deployment that comes back to a template says that its deadline has passed until the first pod of it is ready,
    when what it had in between was not rolled out completely.
    """
    made = time_of(pod["metadata"]["creationTimestamp"])
    return not is_terminating(pod) and (made <= passed or now - made >= deadline)


def hindrance(seen: Observed) -> Finding | None:
    """Return what keeps kubelet from making a server; None when nothing does."""
    files = server_files(seen.model.spec.server)
    return mounts.hindrance(seen.server_events, files, otherwise=Reason.SERVERS_UNAVAILABLE)


def _key(deployment: JSON) -> str | None:
    key = dig(deployment, "spec", "template", "metadata", "annotations", names.ANNOTATION_ARTIFACT)
    return None if key is None else str(key)


def _is_observed(deployment: JSON) -> bool:
    """Tell whether the Deployment's status is about its spec as it is."""
    generation: int = deployment["metadata"]["generation"]
    return _count(deployment, "observedGeneration") >= generation


def _settled(deployment: JSON, wanted: int) -> Finding | None:
    """Return in what way the rollout is complete; None while it is not."""
    if not _is_observed(deployment):
        return None
    counted = {_count(deployment, name) for name in ("replicas", "updatedReplicas", "readyReplicas")}
    if counted != {wanted}:
        return None
    if wanted == 0:
        return Finding(Reason.SCALED_TO_ZERO)
    return Finding(Reason.SERVERS_READY, f"{wanted} of {wanted} servers are ready")


def _count(deployment: JSON, name: str) -> int:
    return int(dig(deployment, "status", name) or 0)


def _refused(deployment: JSON) -> Finding | None:
    failure = condition(deployment, "ReplicaFailure")
    return None if failure is None else refusals.refused(str(failure.get("message", "")), "server")


def _stalled(deployment: JSON) -> JSON | None:
    """Return the condition that says since when the rollout's deadline has passed."""
    stopped = condition(deployment, "Progressing", "False")
    return stopped if dig(stopped, "reason") == "ProgressDeadlineExceeded" else None


def _overdue(deployment: JSON) -> Finding | None:
    if _stalled(deployment) is None:
        return None
    return Finding(Reason.SERVERS_UNAVAILABLE, "The servers did not become ready within the rollout's deadline")


def _trouble(server_pods: Sequence[JSON], *, claim_pending: bool) -> Finding | None:
    unwell = [pod for pod in server_pods if not is_terminating(pod) and condition(pod, "Ready") is None]
    findings = filter(None, (_pod_trouble(pod, claim_pending=claim_pending) for pod in unwell))
    return next((finding for finding in findings if not _passes(finding, server_pods)), None)


def _passes(finding: Finding, server_pods: Sequence[JSON]) -> bool:
    """Tell whether a server waits for no more than the room, often the GPU, of one that is ending its calls."""
    return finding.reason == Reason.UNSCHEDULABLE and any(map(is_terminating, server_pods))


def _pod_trouble(pod: JSON, *, claim_pending: bool) -> Finding | None:
    waits = pods.obstacle(pod, claim_pending=claim_pending, otherwise=Reason.SERVERS_UNAVAILABLE)
    if waits is not None or dig(pod, "status", "phase") == "Failed":  # a failed pod is replaced, whatever befell it
        return waits
    # A container that runs again may get well this time; one that ended before it was ever ready is worth telling of.
    restarted = [status for status in each(pod, "status", "containerStatuses") if status.get("restartCount")]
    failed = next((ending for ending in pods.endings(pod) if ending.exit_code), None)
    stopped = any(dig(status, "state", "terminated") for status in each(pod, "status", "containerStatuses"))
    return _ended(failed) if failed is not None and (restarted or stopped) else None


def _ended(ending: pods.Ending) -> Finding:
    finding = pods.describe(ending)
    if finding.reason == LoaderReason.OUT_OF_MEMORY:
        return Finding(finding.reason, finding.detail, advice="Raise server.resources.limits.memory.")
    if finding.reason == LoaderReason.INTERNAL_ERROR:
        return Finding(Reason.SERVERS_UNAVAILABLE, finding.detail)
    return finding
