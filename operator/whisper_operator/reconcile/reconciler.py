"""One visit to one WhisperModel, whatever the reason for it: observe, decide, apply, write the status, tell."""

import logging
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from whisper_contract.reasons import Reason as LoaderReason
from whisper_operator.api import names
from whisper_operator.api.model import InvalidModel, Model, is_deleted, parse_model
from whisper_operator.api.names import ModelKey
from whisper_operator.api.reasons import Finding, Reason
from whisper_operator.api.status import Status
from whisper_operator.builders.claim import build_claim
from whisper_operator.builders.deployment import build_deployment
from whisper_operator.builders.job import build_job
from whisper_operator.builders.service import build_service
from whisper_operator.kube import kinds
from whisper_operator.kube.applied import Applier
from whisper_operator.kube.client import KubeClient
from whisper_operator.kube.errors import KubeError, NotFound, Refused, Unsettled
from whisper_operator.reconcile import claims, events, pulling
from whisper_operator.reconcile.conditions import Situation
from whisper_operator.reconcile.objects import JSON, each, name
from whisper_operator.reconcile.observation import Observed, observe
from whisper_operator.reconcile.progress import ProgressReader
from whisper_operator.reconcile.pulling import Pulling
from whisper_operator.reconcile.serving import observe_servers
from whisper_operator.reconcile.statuses import build_invalid_status, build_status
from whisper_operator.settings import Settings

_log = logging.getLogger(__name__)


class Visit(NamedTuple):
    """What came of a visit: whether the model is still there, and when to look again if nothing happens before."""

    exists: bool
    look_again: timedelta | None = None


class _Applied(NamedTuple):
    """What came of applying: the Deployment as it is now, and the error that cut it short."""

    deployment: JSON | None
    error: KubeError | None = None


class Reconciler:
    """Visits WhisperModels. Any number of threads may, each another model."""

    def __init__(
        self, client: KubeClient, settings: Settings, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._client = client
        self._settings = settings
        self._clock = clock
        self._applier = Applier(client)
        self._progress = ProgressReader(client)
        self._reporter = socket.gethostname()

    def visit(self, key: ModelKey) -> Visit:
        """Bring what is there closer to what the WhisperModel asks for, and say in its status how far that is.

        Raises:
            KubeError: a call failed, and the visit is to be made again; what could be said is in the status.
        """
        body = self._client.get(kinds.MODEL, key.namespace, key.name)
        if body is None or is_deleted(body):
            self._applier.forget(key)
            self._progress.forget(key)
            return Visit(exists=body is not None)
        model = parse_model(body)
        if isinstance(model, InvalidModel):
            self._write_status(model, body, build_invalid_status(model, self._clock()))
            return Visit(exists=True)
        return self._reconcile(model, body)

    def _reconcile(self, model: Model, body: JSON) -> Visit:
        now = self._clock()
        seen = observe(self._client, model)
        decision = pulling.decide(seen, now)
        artifact = decision.artifact or model.status.artifact
        deployment = build_deployment(model, self._settings, artifact)
        applied = self._apply(seen, decision, deployment)
        situation = Situation(
            decision,
            observe_servers(
                applied.deployment,
                seen.server_pods,
                model.spec.server.replicas,
                claim_pending=claims.is_pending(seen.claim),
            ),
            _refusal(applied.error),
        )
        progress = self._progress.read(model.key, decision.step, now)
        self._write_status(model, body, build_status(model, situation, artifact, progress, now))
        if applied.error is not None:
            raise applied.error
        return Visit(exists=True, look_again=decision.look_again)

    def _apply(self, seen: Observed, decision: Pulling, deployment: JSON | None) -> _Applied:
        """Make what is wanted, in the order in which one thing needs the other; stop at the first error."""
        model = seen.model
        live = seen.deployment
        try:
            self._make(model, build_claim(model), seen.claim)
            if decision.start and decision.attempt is not None:
                where = claims.pull_placement(seen)
                job = self._client.create(build_job(model, self._settings, decision.attempt, where))
                _log.info("started a pull", extra={"model": str(model.key), "job": name(job)})
            if deployment is not None:
                live = self._make(model, deployment, seen.deployment)
                self._make(model, build_service(model), seen.service)
            for job in decision.delete:
                self._client.delete(kinds.JOB, model.namespace, name(job), job["metadata"]["uid"])
        except KubeError as error:
            return _Applied(live, error)
        return _Applied(live)

    def _make(self, model: Model, wanted: JSON | None, live: JSON | None) -> JSON | None:
        if wanted is None:
            return live
        if live is not None:
            _check_ownership(model, wanted["kind"], live)
        return self._applier.apply(model.key, wanted, live)

    def _write_status(self, model: Model | InvalidModel, body: JSON, status: Status) -> None:
        """Write the status if it changed, and then, not before, tell about it."""
        after = status.to_json()
        if after == body.get("status"):
            return
        patch = {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            # With the uid, a new object of the same name is not given the status of the one that was.
            "metadata": {"name": model.key.name, "namespace": model.key.namespace, "uid": model.uid},
            "status": after,
        }
        try:
            self._client.apply(patch, subresource="status")
        except NotFound:
            return
        self._tell(model, status)

    def _tell(self, model: Model | InvalidModel, status: Status) -> None:
        event = events.transition(model.status, status)
        if event is None:
            return
        _log.info("%s: %s", event[1], event[2], extra={"model": str(model.key)})
        body = events.build_event(model.key, model.uid, event, self._reporter, self._clock())
        try:
            self._client.create(body, kinds.REPORTED_EVENT)
        except KubeError as error:  # an event is a courtesy: the status has it all
            _log.warning("no event could be written: %s", error, extra={"model": str(model.key)})


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
    sentence = (
        f"The {kind} {name(live)} exists and is not this WhisperModel's: remove it, or give the model another name"
    )
    raise Refused(0, sentence)


def _refusal(error: KubeError | None) -> Finding | None:
    if not isinstance(error, Refused):
        return None
    return Finding(Reason.PODS_FORBIDDEN if error.forbidden else LoaderReason.SPEC_INVALID, str(error))
