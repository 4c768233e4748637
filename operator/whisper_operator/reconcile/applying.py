"""Carrying out what was decided: the only place where a visit changes anything but the status."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
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
from whisper_operator.reconcile.claim_work import ClaimWork
from whisper_operator.reconcile.metadata import set_claim_owner, set_finalizers
from whisper_operator.reconcile.objects import JSON, each, name
from whisper_operator.reconcile.observation import Observed, is_shared
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
        put_off: whether a pull was not started, since artifacts are being removed from the claim.
    """

    deployment: JSON | None
    applied: bool
    error: KubeError | None
    put_off: bool = False


class Changes:
    """Changes what is there into what is wanted, through `client`."""

    def __init__(self, client: KubeClient, settings: Settings, work: ClaimWork) -> None:
        self._client = client
        self._settings = settings
        self._work = work
        self._applier = Applier(client)

    def carry_out(self, seen: Observed, decision: Pulling, artifact: Artifact | None, now: datetime) -> Outcome:
        """Make what is wanted, in the order in which one thing needs the other; `artifact` is what is to be served.

        What is refused does not keep the rest from being made: a claim that may not grow is no reason to stop serving.
        """
        model, attempts = seen.model, _Attempts()
        claim = attempts.make(partial(self._keep_claim, seen), seen.claim)
        attempts.make(partial(self._note_sharing, seen), None)
        safe = attempts.make(partial(self._keep_finalizer, seen), False)
        started = True
        if decision.start and claim is not None and safe:
            started = attempts.make(partial(self._start_pull, seen, decision, now), True)
        deployment = None
        if wanted := build_deployment(model, self._settings, artifact):
            deployment = attempts.make(partial(self._apply, model, wanted, seen.deployment), None)
            attempts.make(partial(self._apply, model, build_service(model), seen.service), None)
        for job in decision.delete:
            attempts.make(partial(self._delete_job, model, job), None)
        return Outcome(deployment or seen.deployment, deployment is not None, attempts.error, put_off=not started)

    def forget(self, model: ModelKey) -> None:
        """Drop what is remembered of a model that is gone."""
        self._applier.forget(model)

    def _keep_claim(self, seen: Observed) -> JSON | None:
        model, claim = seen.model, seen.claim
        owned = model.deletes and not seen.tenants
        wanted = build_claim(model, owned=owned)
        if wanted is None:
            return claim
        if claim is not None:
            _check_ownership(model, wanted["kind"], claim)
            claim = set_claim_owner(self._client, model, claim, owned=owned)
            if claims.is_pending(claim):  # nothing else of it can be changed before it has a volume
                return claim
        return self._apply(model, wanted, claim)

    def _note_sharing(self, seen: Observed) -> None:
        """Note on a claim that was made for another model that this one names it: the other looks for us then."""
        made_for = claims.made_for(seen.claim)
        if seen.claim is None or made_for in (None, seen.model.name) or is_shared(seen.claim):
            return
        note = {"annotations": {names.ANNOTATION_SHARED: "true"}}
        self._client.merge_metadata(kinds.CLAIM, seen.model.namespace, seen.model.claim, note)

    def _keep_finalizer(self, seen: Observed) -> bool:
        """Have the finalizer exactly where it is needed, and return True.

        It is needed where artifacts outlive the model that they were pulled for, and nobody wants them to.
        """
        model = seen.model
        outlives = model.spec.cache.claim_name is not None or bool(seen.tenants)
        wanted = model.deletes and outlives and (seen.claim is not None or model.has_finalizer)
        if wanted and not model.has_finalizer:
            set_finalizers(self._client, model, [*model.finalizers, names.FINALIZER])
        elif model.has_finalizer and not wanted:
            set_finalizers(self._client, model, [one for one in model.finalizers if one != names.FINALIZER])
        return True

    def _start_pull(self, seen: Observed, decision: Pulling, now: datetime) -> bool:
        """Start the pull unless artifacts are being removed from the claim; tell whether it was started."""
        job = build_job(seen.model, self._settings, decision.attempt or 1, claims.pull_placement(seen))
        started = self._work.start(job, seen.model.claim, now, unless=(names.COMPONENT_GC,))
        if started:
            _log.info("started a pull", extra={"model": str(seen.model.key), "job": name(job)})
        return started

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
        Refused: somebody else's object has the name that ours needs. A claim that we made and let go of is ours again.
        Unsettled: it belongs to an earlier WhisperModel of that name, and will be collected.
    """
    owners = each(live, "metadata", "ownerReferences")
    let_go = kind == "PersistentVolumeClaim" and not owners and claims.made_for(live) == model.name
    if let_go or any(owner["uid"] == model.uid for owner in owners):
        return
    if any(owner["kind"] == names.KIND and owner["name"] == model.name for owner in owners):
        raise Unsettled(0, f"the {kind} {name(live)} of an earlier WhisperModel is still being deleted")
    theirs = f"The {kind} {name(live)} exists and is not this WhisperModel's"
    raise Refused(0, f"{theirs}: remove it, or give the model another name")
