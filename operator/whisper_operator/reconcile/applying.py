"""Carrying out what was decided: the only place where a visit changes anything but the status."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from whisper_operator.api import names
from whisper_operator.api.model import Model
from whisper_operator.api.names import ModelKey
from whisper_operator.api.status import Artifact
from whisper_operator.builders.claim import build_claim
from whisper_operator.builders.gc_job import build_gc_job
from whisper_operator.builders.job import build_job
from whisper_operator.builders.refresh_job import build_refresh_job
from whisper_operator.kube import kinds
from whisper_operator.kube.client import KubeClient
from whisper_operator.kube.errors import KubeError
from whisper_operator.kube.mirror import Mirror
from whisper_operator.reconcile import claims
from whisper_operator.reconcile.attempts import Attempts
from whisper_operator.reconcile.claim_work import ClaimWork
from whisper_operator.reconcile.fleet import Fleet
from whisper_operator.reconcile.metadata import set_claim_owner, set_finalizers
from whisper_operator.reconcile.objects import JSON, name
from whisper_operator.reconcile.observation import Observed, is_pending, is_shared
from whisper_operator.reconcile.ownership import OwnObjects, check_ownership
from whisper_operator.reconcile.pulling import Pulling
from whisper_operator.reconcile.refreshing import Refreshing
from whisper_operator.reconcile.retention import Retention
from whisper_operator.reconcile.server_objects import ServerObjects
from whisper_operator.settings import Settings

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    Attributes:
        deployment: as it is now.
        applied: whether that is as it was wanted.
        error: the first, if any.
        put_off: whether a pull was not started, since artifacts are being removed from the claim.
        waits: when to look again whether it is this model's turn to have its servers replaced, if it waits for that.
    """

    deployment: JSON | None
    applied: bool
    error: KubeError | None
    put_off: bool = False
    waits: timedelta | None = None


class Changes:
    """Changes what is there into what is wanted, through `client`."""

    def __init__(self, client: KubeClient, mirror: Mirror, settings: Settings, work: ClaimWork) -> None:
        self._client = client
        self._settings = settings
        self._work = work
        self._own = OwnObjects(client, mirror)
        self._fleet = Fleet(mirror, settings.max_rollouts)
        self._servers = ServerObjects(self._own, self._fleet, settings)

    def carry_out(
        self, seen: Observed, decision: Pulling, refreshing: Refreshing, artifact: Artifact | None, now: datetime
    ) -> Outcome:
        """Make what is wanted, in the order in which one thing needs the other; `artifact` is what is to be served.

        What is refused does not keep the rest from being made: a claim that may not grow is no reason to stop serving.
        """
        model, attempts = seen.model, Attempts()
        claim = attempts.make(partial(self._keep_claim, seen), seen.claim)
        attempts.make(partial(self._note_sharing, seen), None)
        safe = attempts.make(partial(self._keep_finalizer, seen), False)
        started = True
        if decision.start and claim is not None and safe:
            started = attempts.make(partial(self._start_pull, seen, decision, now), True)
        kept = self._servers.keep(seen, artifact, attempts)
        for job in (*decision.delete, *refreshing.delete):
            attempts.make(partial(self._delete_job, model, job), None)
        if refreshing.start:
            attempts.make(partial(self._start_check, model), None)
        waits = self._fleet.look_again if kept is not None and kept.waits else None
        return Outcome(
            deployment=kept.deployment if kept is not None else seen.deployment,
            applied=kept is not None and waits is None,
            error=attempts.error,
            put_off=not started,
            waits=waits,
        )

    def tidy(self, seen: Observed, retention: Retention, now: datetime) -> None:
        """Have removed from the claim what is no longer needed there.

        Raises:
            KubeError: a call failed.
        """
        for job in retention.delete:
            self._delete_job(seen.model, job)
        if retention.removal is not None:
            where, beside = claims.pull_placement(seen), claims.beside(seen)
            job = build_gc_job(seen.model, self._settings, retention.removal, where, beside)
            if self._work.start(job, seen.model.claim, now, unless=(names.COMPONENT_PULL, names.COMPONENT_GC)):
                _log.info("started to remove artifacts", extra={"model": str(seen.model.key), "job": name(job)})

    def forget(self, model: ModelKey) -> None:
        """Drop what is remembered of a model that is gone."""
        self._own.forget(model)
        self._fleet.give_back(model)

    def _keep_claim(self, seen: Observed) -> JSON | None:
        model, claim = seen.model, seen.claim
        owned = model.deletes and not seen.tenants
        wanted = build_claim(model, owned=owned)
        if wanted is None:
            return claim
        if claim is not None:
            check_ownership(model, wanted["kind"], claim)
            claim = set_claim_owner(self._client, model, claim, owned=owned)
            if is_pending(claim):  # nothing else of it can be changed before it has a volume
                return claim
        return self._own.apply(model, wanted)

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
        where, beside = claims.pull_placement(seen), claims.beside(seen)
        job = build_job(seen.model, self._settings, decision.attempt or 1, where, beside)
        start = partial(self._work.start, job, seen.model.claim, now, unless=(names.COMPONENT_GC,))
        started = self._own.create(seen.model, job, start)
        if started:
            _log.info("started a pull", extra={"model": str(seen.model.key), "job": name(job)})
        return started

    def _start_check(self, model: Model) -> None:
        job = build_refresh_job(model, self._settings)
        self._own.create(model, job, partial(self._client.create, job))

    def _delete_job(self, model: Model, job: JSON) -> None:
        self._client.delete(kinds.JOB, model.namespace, name(job), job["metadata"]["uid"])
        _log.info("deleted a Job", extra={"model": str(model.key), "job": name(job)})
