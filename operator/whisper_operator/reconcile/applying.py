"""Carrying out what was decided: the only place where a visit changes anything but the status."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from whisper_operator.api import names
from whisper_operator.api.model import Model
from whisper_operator.api.names import ModelKey
from whisper_operator.api.status import Artifact
from whisper_operator.builders.claim import build_claim
from whisper_operator.builders.deployment import build_deployment
from whisper_operator.builders.job import build_job
from whisper_operator.builders.service import build_service
from whisper_operator.kube import kinds
from whisper_operator.kube.applied import Applier
from whisper_operator.kube.client import KubeClient
from whisper_operator.kube.errors import KubeError, Refused, Unsettled
from whisper_operator.reconcile import claims
from whisper_operator.reconcile.objects import JSON, each, name
from whisper_operator.reconcile.observation import Observed
from whisper_operator.reconcile.pulling import Pulling
from whisper_operator.settings import Settings

_log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    Attributes:
        deployment: as it is now.
        applied: whether that is as it was wanted.
        error: the first, if any.
    """

    deployment: JSON | None
    applied: bool
    error: KubeError | None


class Changes:
    """Changes what is there into what is wanted, through `client`."""

    def __init__(self, client: KubeClient, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._applier = Applier(client)

    def carry_out(self, seen: Observed, decision: Pulling, artifact: Artifact | None) -> Outcome:
        """Make what is wanted, in the order in which one thing needs the other; `artifact` is what is to be served.

        What is refused does not keep the rest from being made: a claim that may not grow is no reason to stop serving.
        """
        model, attempts = seen.model, _Attempts()
        claim = attempts.make(partial(self._keep_claim, seen), seen.claim)
        if decision.start and claim is not None:
            attempts.make(partial(self._start_pull, seen, decision), None)
        deployment = None
        if wanted := build_deployment(model, self._settings, artifact):
            deployment = attempts.make(partial(self._apply, model, wanted, seen.deployment), None)
            attempts.make(partial(self._apply, model, build_service(model), seen.service), None)
        for job in decision.delete:
            attempts.make(partial(self._delete_job, model, job), None)
        return Outcome(deployment or seen.deployment, deployment is not None, attempts.error)

    def forget(self, model: ModelKey) -> None:
        """Drop what is remembered of a model that is gone."""
        self._applier.forget(model)

    def _keep_claim(self, seen: Observed) -> JSON | None:
        wanted = build_claim(seen.model)
        # Nothing of a claim can be changed before it has a volume.
        if wanted is None or (seen.claim is not None and claims.is_pending(seen.claim)):
            return seen.claim
        return self._apply(seen.model, wanted, seen.claim)

    def _start_pull(self, seen: Observed, decision: Pulling) -> None:
        job = build_job(seen.model, self._settings, decision.attempt or 1, claims.pull_placement(seen))
        self._client.create(job)
        _log.info("started a pull", extra={"model": str(seen.model.key), "job": name(job)})

    def _delete_job(self, model: Model, job: JSON) -> None:
        self._client.delete(kinds.JOB, model.namespace, name(job), job["metadata"]["uid"])
        _log.info("deleted a pull", extra={"model": str(model.key), "job": name(job)})

    def _apply(self, model: Model, wanted: JSON, live: JSON | None) -> JSON:
        if live is not None:
            _check_ownership(model, wanted["kind"], live)
        return self._applier.apply(model.key, wanted, live)


class _Attempts:
    """Makes one change after the other, and keeps the first error."""

    def __init__(self) -> None:
        self.error: KubeError | None = None
        self._lost = False

    def make(self, change: Callable[[], T], otherwise: T) -> T:
        """Return what `change` returns; `otherwise` when it fails, or when the API server was lost before."""
        if self._lost:
            return otherwise
        try:
            return change()
        except KubeError as error:
            self.error = self.error or error
            self._lost = not isinstance(error, Refused)
            return otherwise


def _check_ownership(model: Model, kind: str, live: JSON) -> None:
    """Refuse to take over an object that is not ours.

    Raises:
        Refused: somebody else's object has the name that ours needs.
        Unsettled: it belongs to an earlier WhisperModel of that name, and will be collected.
    """
    owners = each(live, "metadata", "ownerReferences")
    if any(owner["uid"] == model.uid for owner in owners):
        return
    if any(owner["kind"] == names.KIND and owner["name"] == model.name for owner in owners):
        raise Unsettled(0, f"the {kind} {name(live)} of an earlier WhisperModel is still being deleted")
    theirs = f"The {kind} {name(live)} exists and is not this WhisperModel's"
    raise Refused(0, f"{theirs}: remove it, or give the model another name")
