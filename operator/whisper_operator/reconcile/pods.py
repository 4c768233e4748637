"""Why a pod does not run, and with what its containers ended."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from whisper_contract.reasons import Reason as LoaderReason
from whisper_contract.reasons import reason_for_exit_code
from whisper_contract.termination import TerminationMessage
from whisper_operator.api.reasons import Finding, Reason
from whisper_operator.builders.source_access import SECRET_VOLUME
from whisper_operator.reconcile.objects import JSON, condition, dig, each, name, time_of

# SchedulerError: a node was found, and binding the pod or its volumes to it failed.
_NOT_SCHEDULED = {"Unschedulable", "SchedulerError"}
_IMAGE_TROUBLE = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"}
# What the scheduler says when a claim, and not the node, is in the way.
# https://github.com/kubernetes/kubernetes/tree/master/pkg/scheduler/framework/plugins/volumebinding
_VOLUME_TROUBLE = re.compile(r"persistent ?volume|storage ?class|free storage|binding volumes", re.IGNORECASE)
_CREATION_TROUBLE = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}


@dataclass(frozen=True, slots=True)
class Ending:
    """How a container ended.

    Attributes:
        killed_for_memory: the kernel killed it at its memory limit.
        message: what it left behind, when that is one of ours.
    """

    container: str
    exit_code: int
    killed_for_memory: bool
    finished: datetime | None
    message: TerminationMessage | None


def container_statuses(pod: JSON) -> list[JSON]:
    """Return the statuses of all containers in the order in which they run."""
    return [*each(pod, "status", "initContainerStatuses"), *each(pod, "status", "containerStatuses")]


def endings(pod: JSON) -> Iterator[Ending]:
    """Yield how the pod's containers ended: the present state first, or else the one before the last restart."""
    for status in container_statuses(pod):
        terminated = dig(status, "state", "terminated") or dig(status, "lastState", "terminated")
        if terminated is not None:
            yield _ending(status["name"], terminated)


def _ending(container: str, terminated: JSON) -> Ending:
    finished = terminated.get("finishedAt")
    return Ending(
        container=container,
        exit_code=terminated["exitCode"],
        killed_for_memory=terminated.get("reason") == "OOMKilled",
        finished=None if finished is None else time_of(finished),
        message=TerminationMessage.parse(terminated.get("message", "")),
    )


def failure(pod: JSON) -> Finding | None:
    """Return why the pod's first failed container failed, or why the node ended the whole pod."""
    if dig(pod, "status", "reason") == "Evicted":
        return Finding(Reason.EVICTED, str(dig(pod, "status", "message") or ""))
    failed = next((ending for ending in endings(pod) if ending.exit_code), None)
    return None if failed is None else _of_its_secret(describe(failed), pod)


def _of_its_secret(finding: Finding, pod: JSON) -> Finding:
    """Name the Secret of which the loader knows the folder alone."""
    volumes = (volume for volume in each(pod, "spec", "volumes") if volume["name"] == SECRET_VOLUME)
    secret = next((dig(volume, "secret", "secretName") for volume in volumes), None)
    if secret is not None and finding.reason == LoaderReason.SECRET_NOT_FOUND:
        return Finding(finding.reason, f"The Secret {secret}, which the source names, does not exist")
    if secret is not None and finding.reason == LoaderReason.SECRET_KEY_MISSING:
        return Finding(finding.reason, f"Of the Secret {secret}: {finding.detail}")
    return finding


def describe(ending: Ending) -> Finding:
    """Return why a container failed: in its own words, or what its exit says."""
    if ending.message is not None:
        return Finding(ending.message.reason, ending.message.message)
    if ending.killed_for_memory:
        return Finding(LoaderReason.OUT_OF_MEMORY, f"The container {ending.container} was killed at its memory limit")
    reason = reason_for_exit_code(ending.exit_code)
    if reason is not None:
        return Finding(reason)
    text = f"The container {ending.container} ended with exit code {ending.exit_code} and left no message"
    return Finding(LoaderReason.INTERNAL_ERROR, text)


def obstacle(pod: JSON, *, claim_pending: bool, otherwise: str) -> Finding | None:
    """Return why a pod that was made does not start, or None while nothing speaks against it.

    Args:
        pod: the pod.
        claim_pending: whether the claim that it mounts has no volume yet.
        otherwise: the reason for a container that the node cannot create.
    """
    unscheduled = condition(pod, "PodScheduled", "False")
    if unscheduled is not None and unscheduled.get("reason") in _NOT_SCHEDULED:
        message = str(unscheduled.get("message", ""))
        # A claim that waits for its first pod has no volume either while the pod finds no node for another reason.
        for_claim = claim_pending and _VOLUME_TROUBLE.search(message)
        reason = Reason.CLAIM_PENDING if for_claim else Reason.UNSCHEDULABLE
        return Finding(reason, f"The pod {name(pod)} is not scheduled: {message}")
    return next(filter(None, (_waiting(pod, status, otherwise) for status in container_statuses(pod))), None)


def _waiting(pod: JSON, status: JSON, otherwise: str) -> Finding | None:
    waiting = dig(status, "state", "waiting") or {}
    why = waiting.get("reason", "")
    text = f"The container {status['name']} of the pod {name(pod)} waits: {why}: {waiting.get('message', '')}"
    if why in _IMAGE_TROUBLE:
        return Finding(Reason.IMAGE_PULL_FAILED, text)
    return Finding(otherwise, text) if why in _CREATION_TROUBLE else None


def current_container(pod: JSON) -> str:
    """Return the container that runs now or runs next, or the last when all have ended; empty when none is known.

    The pod's phase and its Job's conditions follow a moment after the last container has ended.
    """
    statuses = container_statuses(pod)
    unfinished = (status for status in statuses if dig(status, "state", "terminated") is None)
    current = next(unfinished, statuses[-1] if statuses else None)
    return "" if current is None else str(current["name"])


def running_container(pod: JSON) -> str | None:
    """Return the container that runs now."""
    running = (status["name"] for status in container_statuses(pod) if dig(status, "state", "running") is not None)
    return next(running, None)
