"""What is at work on a claim: any number of pulls, or one Job that removes artifacts.

Whether one may start is asked, and it is started, under a lock of the claim. There is one operator at work, so that its
own threads are all that could come in between.
"""

from collections.abc import Sequence
from datetime import datetime
from threading import Lock

from whisper_operator.api import names
from whisper_operator.kube import kinds
from whisper_operator.kube.client import KubeClient
from whisper_operator.reconcile.jobs import LOST_AFTER
from whisper_operator.reconcile.objects import JSON, condition, dig, is_terminating, time_of

# Claims share locks, so that none has to be thrown away with its claim.
_LOCKS = 64
_ENDED = ("Succeeded", "Failed")


class ClaimWork:
    """Starts Jobs through `client`."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._locks = tuple(Lock() for _ in range(_LOCKS))

    def start(self, job: JSON, claim: str, now: datetime, *, unless: Sequence[str]) -> bool:
        """Create `job`, which mounts `claim`, unless Jobs of these components are at work there; tell whether it was.

        Raises:
            KubeError: as any call.
        """
        namespace = job["metadata"]["namespace"]
        with self._locks[hash((namespace, claim)) % _LOCKS]:
            if any(self._is_at_work(namespace, claim, component, now) for component in unless):
                return False
            self._client.create(job)
            return True

    def _is_at_work(self, namespace: str, claim: str, component: str, now: datetime) -> bool:
        labels = f"{names.on_claim(claim)},{names.LABEL_COMPONENT}={component}"
        jobs = self._client.list(kinds.JOB, namespace, labels=labels)
        # Its pods outlive a Job that is deleted, by as long as they take to end.
        return bool(at_work(jobs, ())) or bool(at_work((), self._client.list(kinds.POD, namespace, labels=labels), now))


def at_work(jobs: Sequence[JSON], pods: Sequence[JSON], now: datetime | None = None) -> list[JSON]:
    """Return the Jobs that may still make pods, and the pods that may still run; those of a lost node do not."""
    unfinished = [job for job in jobs if not is_terminating(job) and not is_finished(job)]
    running = [pod for pod in pods if dig(pod, "status", "phase") not in _ENDED and not _is_lost(pod, now)]
    return [*unfinished, *running]


def is_finished(job: JSON) -> bool:
    """Tell whether the Job has ended, and its pods with it."""
    return condition(job, "Complete") is not None or condition(job, "Failed") is not None


def _is_lost(pod: JSON, now: datetime | None) -> bool:
    return now is not None and is_terminating(pod) and now - time_of(pod["metadata"]["deletionTimestamp"]) > LOST_AFTER
