"""Why a pod that has a node does not get its containers: a volume or a sandbox that kubelet cannot make.

Nothing in the pod tells, only kubelet's events: the pod waits in ContainerCreating, and kubelet tries again.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import chain

from whisper_contract.reasons import Reason as LoaderReason
from whisper_operator.api.reasons import Finding
from whisper_operator.builders.server_files import FileKind, ServerFiles
from whisper_operator.reconcile.objects import JSON, condition, dig, each, event_time, is_terminating

_VOLUME_REASONS = {"FailedMount", "FailedAttachVolume", "FailedMapVolume"}
_SANDBOX_REASONS = {"FailedCreatePodSandBox"}

# https://github.com/kubernetes/kubernetes/tree/master/pkg/volume/secret and configmap, and the kubelet's managers.
_VOLUME = re.compile(r'volume "([^"]+)"')
_OBJECT_MISSING = re.compile(r'(secret|configmap) "[^"]+" not found', re.IGNORECASE)
_KEY_MISSING = re.compile(r"references non-existent (?:secret|config) key: (\S+)")

_NO_RUNTIME = re.compile(r"no runtime for|runtime ?handler", re.IGNORECASE)
_FIRST_STATES = {None, "ContainerCreating", "PodInitializing"}

#: Of what may pass, such as a network that is not up yet, only the second warning is worth telling.
_REPEATED = 2

_SOON = "Pods that wait for it start by themselves, within two minutes."
_CHECK_RUNTIME = "Correct runtimeClassName, or install its handler on the node."
_CHECK_NODE = "It is tried again meanwhile. If it lasts, look at the node (kubectl describe pod, the kubelet's log)."
_CHECK_STORAGE = "Look at the volume and its storage (kubectl describe pod); it is tried again meanwhile."


def waiting_pod(pods: Iterable[JSON]) -> JSON | None:
    """Return a pod whose volumes and sandbox kubelet is at, if there is one."""
    return next(filter(_is_being_prepared, pods), None)


def _is_being_prepared(pod: JSON) -> bool:
    if is_terminating(pod) or dig(pod, "status", "phase") != "Pending" or condition(pod, "PodScheduled") is None:
        return False
    statuses = [*each(pod, "status", "initContainerStatuses"), *each(pod, "status", "containerStatuses")]
    return all(
        set(status.get("state") or {}) <= {"waiting"} and dig(status, "state", "waiting", "reason") in _FIRST_STATES
        for status in statuses
    )


def hindrance(warnings: Iterable[JSON], files: Sequence[ServerFiles] = (), *, otherwise: str) -> Finding | None:
    """Return what keeps kubelet from making the containers of a pod; None when nothing does.

    Args:
        warnings: the events about the pod.
        files: what its volumes hold, beside models.
        otherwise: the reason for a node that cannot make the pod.
    """
    newest_first = sorted(warnings, key=event_time, reverse=True)
    # That something is missing stands between sentences that say less.
    missing = (_missing(event, files) for event in newest_first)
    passing = (_other(event, otherwise) for event in newest_first if _times(event) >= _REPEATED)
    return next(filter(None, chain(missing, passing)), None)


def _missing(event: JSON, files: Sequence[ServerFiles]) -> Finding | None:
    text = str(event.get("message", ""))
    volume = _VOLUME.search(text)
    found = next((one for one in files if volume is not None and one.volume == volume[1]), None)
    if found is None:
        return None
    is_secret = found.kind is FileKind.SECRET
    what = f"The {found.kind} {found.name} ({found.field})"
    if _OBJECT_MISSING.search(text):
        reason = LoaderReason.SECRET_NOT_FOUND if is_secret else LoaderReason.SPEC_INVALID
        keys = " and ".join(found.keys.values())
        advice = f"Create it in this namespace, with {keys}, or correct its name. {_SOON}"
        return Finding(reason, f"{what} does not exist", advice)
    if key := _KEY_MISSING.search(text):
        reason = LoaderReason.SECRET_KEY_MISSING if is_secret else LoaderReason.SPEC_INVALID
        return Finding(reason, f"{what} does not have the key {key[1]}", f"Add the key to it. {_SOON}")
    return None


def _other(event: JSON, otherwise: str) -> Finding | None:
    text = str(event.get("message", ""))
    if event.get("reason") in _VOLUME_REASONS:
        return Finding(LoaderReason.VOLUME_FAILED, f"A volume cannot be mounted: {text}", _CHECK_STORAGE)
    if event.get("reason") in _SANDBOX_REASONS:
        advice = _CHECK_RUNTIME if _NO_RUNTIME.search(text) else _CHECK_NODE
        return Finding(otherwise, f"The node cannot make the pod: {text}", advice)
    return None


def _times(event: JSON) -> int:
    """Return how often the event has happened."""
    return int(dig(event, "series", "count") or event.get("count") or 1)
