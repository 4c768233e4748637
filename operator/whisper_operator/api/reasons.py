"""Why a condition is as it is: the operator's own reasons and, read from the contract, those of loader and server.

Each stands with the sentence that says when it is raised, the message that status shows when nothing more exact is
known, and the next step that a person can take.
"""

from dataclasses import dataclass
from enum import StrEnum

from whisper_contract import reasons as contract


class Reason(StrEnum):
    """Reasons that the operator itself gives."""

    PULLING = "Pulling"
    CONVERTING = "Converting"
    PUBLISHING = "Publishing"
    PUBLISHED = "Published"
    WAITING_FOR_PEER = "WaitingForPeer"
    WAITING_FOR_CLEANUP = "WaitingForCleanup"
    EVICTED = "Evicted"
    CLAIM_NOT_FOUND = "ClaimNotFound"
    CLAIM_PENDING = "ClaimPending"
    ACCESS_MODE_UNSUPPORTED = "AccessModeUnsupported"
    PODS_FORBIDDEN = "PodsForbidden"
    UNSCHEDULABLE = "Unschedulable"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    ROLLING_OUT = "RollingOut"
    WAITING_FOR_ROLLOUTS = "WaitingForRollouts"
    SERVERS_READY = "ServersReady"
    SERVERS_UNAVAILABLE = "ServersUnavailable"
    SCALED_TO_ZERO = "ScaledToZero"
    AUTOSCALER_INACTIVE = "AutoscalerInactive"
    PINNED = "Pinned"
    PAUSED = "Paused"
    DELETING = "Deleting"
    SOURCE_UNCHANGED = "SourceUnchanged"
    SOURCE_MOVED = "SourceMoved"
    SOURCE_FIXED = "SourceFixed"
    SOURCE_UNVERSIONED = "SourceUnversioned"
    NOT_CHECKED = "NotChecked"


@dataclass(frozen=True, slots=True)
class Explanation:
    """One row of the table.

    Attributes:
        when: the sentence that says when the reason is raised.
        message: what status shows when nothing more exact is known.
        next_step: what a person can do; empty when there is nothing to do.
        degraded: whether a person is needed.
    """

    when: str
    message: str
    next_step: str = ""
    degraded: bool = False


_OWN: dict[str, Explanation] = {
    Reason.PULLING: Explanation("The Job is there and its first step has not ended.", "The model is being pulled."),
    Reason.CONVERTING: Explanation("The Job's convert step runs.", "The model is being converted to CTranslate2."),
    Reason.PUBLISHING: Explanation("The Job's publish step runs.", "The model is being checked and published."),
    Reason.PUBLISHED: Explanation(
        "The artifact that the spec asks for is on the volume.", "The artifact that the spec asks for is published."
    ),
    Reason.WAITING_FOR_PEER: Explanation(
        "Another WhisperModel pulls the same inputs into the same claim; this one uses what it publishes.",
        "Another WhisperModel pulls the same model.",
    ),
    Reason.WAITING_FOR_CLEANUP: Explanation(
        "A Job removes artifacts from the claim; pulls into it start when that has ended.",
        "A Job removes artifacts from the claim: the pull starts when it has ended.",
    ),
    Reason.EVICTED: Explanation(
        "The node evicted the pull's pod.",
        "The node evicted the pull's pod.",
        "Free the node's disk or memory, or raise pull.resources.requests so that a roomier node is chosen.",
        degraded=True,
    ),
    Reason.CLAIM_NOT_FOUND: Explanation(
        "A claim that the spec names does not exist in the WhisperModel's namespace, or is being deleted.",
        "A claim that the spec names does not exist.",
        "Create the claim in the same namespace, or correct its name (it is looked for again every few seconds).",
        degraded=True,
    ),
    Reason.CLAIM_PENDING: Explanation(
        "A pod cannot start because its claim is not bound to a volume.",
        "The claim is not bound to a volume.",
        "Check that the storage class exists and can provision this size and access mode (kubectl get storageclass, "
        "kubectl describe pvc). Another class or access mode needs a new WhisperModel.",
        degraded=True,
    ),
    Reason.ACCESS_MODE_UNSUPPORTED: Explanation(
        "The named claim cannot be shared by a pull and servers: ReadOnlyMany, ReadWriteOncePod, a block device.",
        "The claim cannot be shared by the pull and the servers.",
        "Name a claim with the access mode ReadWriteMany or ReadWriteOnce and a file system.",
        degraded=True,
    ),
    Reason.PODS_FORBIDDEN: Explanation(
        "The API server refuses pods or their makers: quota, pod security, an admission policy, no ServiceAccount.",
        "The cluster's rules refuse the pods.",
        "Read the message: raise the quota, or change what the policy objects to.",
        degraded=True,
    ),
    Reason.UNSCHEDULABLE: Explanation(
        "No node can take a pod now: none has the GPU, memory, labels or tolerated taints that it needs.",
        "No node can take the pod.",
        "Add a node that fits, or change nodeSelector, tolerations, gpu or resources; server.device cpu needs no GPU.",
        degraded=True,
    ),
    Reason.IMAGE_PULL_FAILED: Explanation(
        "A node cannot pull a pod's image.",
        "The image cannot be pulled.",
        "Check the image's name, imagePullSecrets, and that the node reaches the registry.",
        degraded=True,
    ),
    Reason.ROLLING_OUT: Explanation(
        "The servers are being started or replaced and are not all ready yet.", "The servers are being rolled out."
    ),
    Reason.WAITING_FOR_ROLLOUTS: Explanation(
        "The operator's settings or version have changed, and the servers are to be replaced for that: a few "
        "WhisperModels at a time (--max-rollouts). Of Progressing.",
        "The servers are as they were before the operator changed. Their replacement waits for the rollouts of other "
        "WhisperModels.",
    ),
    Reason.SERVERS_READY: Explanation(
        "All servers are ready and serve what the spec asks for; of Available: at least one is ready.",
        "All servers are ready.",
    ),
    Reason.SERVERS_UNAVAILABLE: Explanation(
        "Servers end, or do not become ready in the rollout's deadline, for no reason of their own telling.",
        "Servers do not become ready.",
        "Read their logs (kubectl logs) and events (kubectl describe pod).",
        degraded=True,
    ),
    Reason.SCALED_TO_ZERO: Explanation(
        "spec.server.replicas is 0.", "No servers are wanted: spec.server.replicas is 0."
    ),
    Reason.AUTOSCALER_INACTIVE: Explanation(
        "The model is ready, and its autoscaler has had no metrics for five minutes: the number of servers stays as it "
        "is. Of Degraded.",
        "The autoscaler does not scale.",
        "See that the cluster's metrics server runs or, for a metric of the servers, an adapter that offers it.",
        degraded=True,
    ),
    Reason.PINNED: Explanation(
        "spec.pin names an artifact that is kept: it is served whatever the source holds, and nothing is pulled.",
        "A kept artifact is pinned, and nothing is pulled.",
    ),
    Reason.PAUSED: Explanation(
        "spec.paused is true: the operator changes nothing, and what runs goes on.",
        "spec.paused is true, and all stays as it is.",
    ),
    Reason.SOURCE_UNCHANGED: Explanation(
        "The source was asked, and holds what the artifact was made of.",
        "The source holds what the artifact was made of.",
    ),
    Reason.SOURCE_MOVED: Explanation(
        "The source was asked, and holds something else than what the artifact was made of.",
        "The source holds something else by now.",
        "With refresh.policy Follow it is pulled by itself; with Report it is not.",
    ),
    Reason.SOURCE_FIXED: Explanation(
        "The spec names one content of the source, by version, generation, commit or digest; or a volume or an image.",
        "The spec names one content of the source, which cannot move.",
    ),
    Reason.SOURCE_UNVERSIONED: Explanation(
        "The source was asked, and tells no version by which a change could be noticed.",
        "The source tells no version by which a change could be noticed.",
        "Serve it with a strong ETag, or with Last-Modified and its size; or leave spec.refresh out.",
    ),
    Reason.NOT_CHECKED: Explanation(
        "spec.refresh is absent, nothing is published yet, or the source was not asked since.",
        "The source has not been asked whether it has moved.",
    ),
    Reason.DELETING: Explanation(
        "The WhisperModel is being deleted, and its artifacts are removed first from the claim that outlives it.",
        "The servers end, and what nobody else needs is removed from the claim.",
    ),
}

# What the contract's next step does not say when it is the operator that raises the reason.
_SPEC_INVALID = Explanation(
    "The spec holds what cannot be: the schema should have refused it, or an object of that name is somebody else's.",
    "The spec cannot be carried out.",
    "Correct what the message names.",
    degraded=True,
)


# Their next step is nothing: the next attempt mends them, and no person is needed.
_CURED_BY_ITSELF = (contract.Reason.ARTIFACT_MISSING, contract.Reason.SOURCE_CHANGED)


def _from_contract(failure: contract.Failure) -> Explanation:
    return Explanation(failure.when, failure.when, failure.next_step, degraded=failure.reason not in _CURED_BY_ITSELF)


EXPLANATIONS: dict[str, Explanation] = (
    {str(failure.reason): _from_contract(failure) for failure in contract.FAILURES.values()}
    | {str(reason): explanation for reason, explanation in _OWN.items()}
    | {str(contract.Reason.SPEC_INVALID): _SPEC_INVALID}
)

_UNKNOWN = Explanation(
    "A reason that this version does not know.", "The step failed.", "Read the pod's log.", degraded=True
)

#: Details come from outside (an API server, a loader): no more of them than this enters a message.
MAX_DETAIL = 1_024


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found: a reason, and what exactly, when more is known than the reason's own message.

    Attributes:
        advice: a next step that fits better than the reason's own.
        lasting: nothing mends it by itself here, although it does elsewhere.
    """

    reason: str
    detail: str = ""
    advice: str | None = None
    lasting: bool = False

    @property
    def degraded(self) -> bool:
        """Whether a person is needed."""
        return self.lasting or explain(self.reason).degraded

    @property
    def message(self) -> str:
        """What happened, and what to do about it."""
        explanation = explain(self.reason)
        advice = explanation.next_step if self.advice is None else self.advice
        return " ".join(filter(None, (_sentence(self.detail[:MAX_DETAIL] or explanation.message), advice)))


def explain(reason: str) -> Explanation:
    """Return the row of `reason`."""
    return EXPLANATIONS.get(reason, _UNKNOWN)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."
