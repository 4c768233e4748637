"""What state a pull Job is in, and how it ended."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from whisper_contract.reasons import Reason as LoaderReason
from whisper_contract.reasons import permanent_exit_codes, reason_for_exit_code
from whisper_operator.api import names
from whisper_operator.api.reasons import Finding, Reason, explain
from whisper_operator.api.status import Artifact
from whisper_operator.builders.job import CONVERT, PUBLISH
from whisper_operator.reconcile import mounts, pods, refusals
from whisper_operator.reconcile.objects import JSON, condition, dig, event_time, is_terminating, latest, time_of

#: A pod that is still there this long after its grace period has ended stands on a node that is lost.
LOST_AFTER = timedelta(minutes=2)

_IF_IT_LASTS = "If that lasts, kubectl describe pvc tells why."
_IF_SUSPENDED = "It goes on when whoever suspended it lets it (kubectl describe job)."
_EXIT_CODE = re.compile(r"exit code (\d+)")
_STEP_REASONS = {CONVERT: Reason.CONVERTING, PUBLISH: Reason.PUBLISHING}


def component(job: JSON) -> str:
    """Return what kind of Job it is: of a pull, or of what is done beside it."""
    return str(dig(job, "metadata", "labels", names.LABEL_COMPONENT))


def inputs(job: JSON) -> str:
    """Return the hash of the inputs that the Job pulls."""
    return str(dig(job, "metadata", "labels", names.LABEL_INPUTS))


def attempt(job: JSON) -> int:
    """Return which attempt the Job is, from 1."""
    return int(dig(job, "metadata", "labels", names.LABEL_ATTEMPT) or 0)


def retry_value(job: JSON) -> str:
    """Return the value of the model's retry annotation that the Job was started with."""
    return str(dig(job, "metadata", "annotations", names.ANNOTATION_RETRY) or "")


def pod_hash(job: JSON) -> str:
    """Return the hash of the pod that the Job makes."""
    return str(dig(job, "metadata", "annotations", names.ANNOTATION_POD) or "")


def succeeded(job: JSON) -> bool:
    """Tell whether the Job is complete."""
    return condition(job, "Complete") is not None


def end(job: JSON) -> JSON | None:
    """Return the condition that says how the Job ended, or is about to; None while it runs."""
    return condition(job, "Complete") or _failed(job)


def _failed(job: JSON) -> JSON | None:
    # FailureTarget comes first, while the Job's pods are still being ended: the outcome is known by then.
    return condition(job, "Failed") or condition(job, "FailureTarget")


def is_active(job: JSON) -> bool:
    """Tell whether the Job may still publish."""
    return not succeeded(job) and _failed(job) is None


def is_about_to_fail(job_pods: Sequence[JSON]) -> bool:
    """Tell whether a pod has ended with a code that ends its Job at once, which its controller does in a moment."""
    codes = {ending.exit_code for pod in job_pods for ending in pods.endings(pod)}
    return not codes.isdisjoint(permanent_exit_codes())


def finished(job: JSON) -> datetime:
    """Return when the Job ended; when it was created, while that is not known."""
    return time_of(dig(end(job), "lastTransitionTime") or job["metadata"]["creationTimestamp"])


def failure(job: JSON, job_pods: Sequence[JSON]) -> Finding:
    """Return why a Job failed: from the newest pod that tells, or else from what the Job itself says."""
    ended = _failed(job)
    text = str(dig(ended, "message") or "")
    if dig(ended, "reason") == "DeadlineExceeded":
        return Finding(LoaderReason.DEADLINE_EXCEEDED)
    told = failed_try(job_pods)
    if told is not None:
        return told
    # The pods are gone (their node may be): the Job's own sentence still names the exit code that ended it.
    code = _EXIT_CODE.search(text)
    reason = reason_for_exit_code(int(code[1])) if code else None
    return Finding(reason) if reason else Finding(LoaderReason.INTERNAL_ERROR, f"The Job failed: {text}")


def published(job_pods: Sequence[JSON]) -> Artifact | None:
    """Return the artifact that a complete Job published, or None when its pod no longer tells."""
    messages = (ending.message for pod in job_pods for ending in pods.endings(pod) if ending.container == PUBLISH)
    for message in filter(None, messages):
        try:
            return Artifact.from_message(message)
        except ValueError:
            continue
    return None


def tells_its_end(job: JSON, job_pods: Sequence[JSON]) -> bool:
    """Tell whether it is known how a Job ended, from a pod of its; always so of one that has not ended."""
    if succeeded(job) and component(job) == names.COMPONENT_PULL:
        return published(job_pods) is not None
    if succeeded(job):
        return any(ending.message for pod in job_pods for ending in pods.endings(pod))
    return _failed(job) is None or failed_try(job_pods) is not None


def is_lost(job_pods: Sequence[JSON], now: datetime) -> bool:
    """Tell whether a pod of a running Job will never end: it was told to, and its node is silent.

    The Job makes no other pod before this one has ended, so it would wait for the node for ever.
    """
    leaving = [time_of(pod["metadata"]["deletionTimestamp"]) for pod in job_pods if is_terminating(pod)]
    told = latest(leaving)
    return told is not None and now - told > LOST_AFTER


def suspended(job: JSON) -> Finding | None:
    """Return that the Job makes no pod until somebody lets it go on, or None: queues such as Kueue's work so."""
    if condition(job, "Suspended") is None:
        return None
    text = f"The Job {job['metadata']['name']} is suspended, by a queue for Jobs or by a person"
    return Finding(Reason.PULLING, text, advice=_IF_SUSPENDED)


def progress(job_pods: Sequence[JSON], events: Sequence[JSON], *, claim_pending: bool) -> Finding:
    """Return what a running Job is at, or what keeps it from it.

    Args:
        job_pods: its pods.
        events: about the Job while it has no pod, and about a pod while kubelet prepares it.
        claim_pending: whether the claim for the artifacts has no volume yet.
    """
    newest = next(iter(_newest_first(job_pods)), None)
    if newest is None:
        refused = max(events, key=event_time, default=None)
        return Finding(Reason.PULLING) if refused is None else refusals.refused(str(refused.get("message", "")), "pull")
    return (
        _obstacle(job_pods, claim_pending=claim_pending)
        or mounts.hindrance(events, otherwise=LoaderReason.INTERNAL_ERROR)
        or _between_tries(newest)
        or _step(newest, claim_pending=claim_pending)
    )


def _obstacle(job_pods: Sequence[JSON], *, claim_pending: bool) -> Finding | None:
    pending = (pod for pod in job_pods if dig(pod, "status", "phase") == "Pending")
    found = (pods.obstacle(pod, claim_pending=claim_pending, otherwise=LoaderReason.INTERNAL_ERROR) for pod in pending)
    return next(filter(None, found), None)


def _between_tries(newest: JSON) -> Finding | None:
    failed = pods.failure(newest)
    if failed is None:
        return None
    return Finding(failed.reason, failed.detail, f"{explain(failed.reason).next_step} Another try follows by itself.")


def _step(newest: JSON, *, claim_pending: bool) -> Finding:
    if claim_pending and not dig(newest, "spec", "nodeName"):
        # Usual for some seconds with WaitForFirstConsumer; without a word it would look like a slow download.
        return Finding(Reason.PULLING, "The pull waits for its claim to get a volume", advice=_IF_IT_LASTS)
    return Finding(_STEP_REASONS.get(pods.current_container(newest), Reason.PULLING))


def failed_try(job_pods: Sequence[JSON]) -> Finding | None:
    """Return why the newest pod that failed did so, or None when none has."""
    return next(filter(None, map(pods.failure, _newest_first(job_pods))), None)


def _newest_first(job_pods: Sequence[JSON]) -> list[JSON]:
    return sorted(job_pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), reverse=True)


def running_step(job_pods: Sequence[JSON]) -> tuple[str, str] | None:
    """Return the pod and the container of a Job that run now."""
    steps = ((pod["metadata"]["name"], pods.running_container(pod)) for pod in job_pods)
    return next(((pod, step) for pod, step in steps if step is not None), None)


def artifact_missing_since(server_pods: Sequence[JSON], artifact: Artifact) -> datetime | None:
    """Return when a server that should serve `artifact`, and does not, last found it missing."""
    serving = [pod for pod in server_pods if served(pod) == artifact.key and not is_terminating(pod)]
    ends = (ending for pod in serving if condition(pod, "Ready") is None for ending in pods.endings(pod))
    return latest(
        ending.finished
        for ending in ends
        if ending.finished is not None and pods.describe(ending).reason == LoaderReason.ARTIFACT_MISSING
    )


def served(pod: JSON) -> str | None:
    """Return the key of the artifact that a server pod was made for."""
    value = dig(pod, "metadata", "annotations", names.ANNOTATION_ARTIFACT)
    return None if value is None else str(value)
