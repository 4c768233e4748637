"""One visit to one WhisperModel, whatever the reason for it: observe, decide, apply, write the status, tell."""

import logging
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from msgspec.structs import replace

from whisper_contract.reasons import Reason as LoaderReason
from whisper_operator.api import names
from whisper_operator.api.model import InvalidModel, Model, is_deleted, parse_leniently, parse_model
from whisper_operator.api.names import ModelKey
from whisper_operator.api.reasons import Finding, Reason
from whisper_operator.api.status import Status
from whisper_operator.kube import kinds
from whisper_operator.kube.client import KubeClient
from whisper_operator.kube.errors import KubeError, NotFound, Refused
from whisper_operator.kube.mirror import Mirror
from whisper_operator.metrics import Metrics
from whisper_operator.reconcile import autoscaling, events, mounts, pulling, refreshing, retention, rollout
from whisper_operator.reconcile.applying import Changes
from whisper_operator.reconcile.claim_work import ClaimWork
from whisper_operator.reconcile.conditions import Situation
from whisper_operator.reconcile.deletion.farewell import Farewell
from whisper_operator.reconcile.deletion.leaving import Ending, observe_leaving, retained
from whisper_operator.reconcile.deletion.leaving import decide as decide_leaving
from whisper_operator.reconcile.measuring import measure_pull
from whisper_operator.reconcile.objects import JSON
from whisper_operator.reconcile.observation import Observed, is_pending, observe
from whisper_operator.reconcile.progress import ProgressReader
from whisper_operator.reconcile.serving import Serving, hindrance, observe_servers
from whisper_operator.reconcile.statuses import (
    build_invalid_status,
    build_leaving_status,
    build_paused_status,
    build_status,
    build_target,
)
from whisper_operator.reconcile.tenants import digests_of
from whisper_operator.settings import Settings

_log = logging.getLogger(__name__)

# Of a deletion that waits: the claim's other users, and servers on their way out, are not all watched.
_LOOK_AGAIN = timedelta(seconds=5)


class Visit(NamedTuple):
    """What came of a visit: whether the model is still there, and when to look again if nothing happens before."""

    exists: bool
    look_again: timedelta | None = None


class Reconciler:
    """Visits WhisperModels. Any number of threads may, each another model."""

    def __init__(
        self,
        client: KubeClient,
        mirror: Mirror,
        settings: Settings,
        metrics: Metrics,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._mirror = mirror
        self._metrics = metrics
        self._clock = clock
        self._settings = settings
        work = ClaimWork(client)
        self._changes = Changes(client, mirror, settings, work)
        self._farewell = Farewell(client, settings, work)
        self._progress = ProgressReader(client)
        self._reporter = socket.gethostname()
        #: Models whose last visit failed: perhaps since what was known of them is not so any more.
        self._doubtful: set[ModelKey] = set()

    def visit(self, key: ModelKey) -> Visit:
        """Bring what is there closer to what the WhisperModel asks for, and say in its status how far that is.

        Raises:
            KubeError: a call failed, and the visit is to be made again; what could be said is in the status.
        """
        with self._metrics.visit_seconds.time():
            if key in self._doubtful:
                self._mirror.relist_model(key)
            self._doubtful.add(key)
            visit = self._visit(key)
            self._doubtful.discard(key)
            return visit

    def _visit(self, key: ModelKey) -> Visit:
        body = self._mirror.model(key)
        if body is None or is_deleted(body):
            self._changes.forget(key)
            self._progress.forget(key)
            self._metrics.forget_model(key)
            return Visit(exists=False) if body is None else self._let_go(body)
        model = parse_model(body)
        if isinstance(model, InvalidModel):
            self._write_status(model, body, build_invalid_status(model, self._clock()))
            return Visit(exists=True)
        return self._reconcile(model, body)

    def _reconcile(self, model: Model, body: JSON) -> Visit:
        now = self._clock()
        seen = observe(self._mirror, self._client, model)
        if model.spec.paused:
            self._write_status(model, body, build_paused_status(model, _servers(seen, seen.deployment), now))
            return Visit(exists=True)
        decision = pulling.decide(seen, now, self._settings)
        given = rollout.decide(seen, decision, now)
        known = refreshing.decide(seen, decision.artifact, now)
        outcome = self._changes.carry_out(seen, decision, known, given.artifact, now)
        if outcome.put_off:
            decision = pulling.put_off(decision)
        servers = _servers(seen, outcome.deployment)
        waits = outcome.waits is not None
        scaling = autoscaling.decide(seen, now)
        situation = Situation(
            decision, servers, _refusal(outcome.error), given.rejection, known, scaling.trouble, waits
        )
        target = build_target(model, situation, tried=outcome.applied)
        progress = self._progress.read(model.key, decision.step, now)
        status = build_status(model, situation, given.artifact, target, progress, now)
        kept = retention.decide(seen, now)
        status = replace(status, unneeded=retention.unneeded(model, status, kept.done), removal=kept.failed)
        self._write_status(model, body, status)
        for note in kept.notes:
            self._write_event(model, note)
        measure_pull(self._metrics, seen, status)
        if outcome.error is not None:
            raise outcome.error
        self._changes.tidy(seen, kept, now)
        due = (_look_again(seen, decision), known.look_again, kept.look_again, scaling.look_again, outcome.waits)
        again = _earliest(*due)
        return Visit(exists=True, look_again=again)

    def _let_go(self, body: JSON) -> Visit:
        """Bring a WhisperModel that is being deleted closer to its end; without our finalizer that is not ours."""
        if not parse_leniently(body).has_finalizer:
            return Visit(exists=True)
        now = self._clock()
        seen = observe_leaving(self._client, body)
        ending = decide_leaving(seen, now, timedelta(seconds=self._settings.deletion_timeout_seconds))
        if not ending.release and self._farewell.is_pointless(seen):
            self._farewell.release(seen.model, Ending(release=True))
            return Visit(exists=True)
        self._farewell.carry_out(seen, ending, now)
        if not ending.release:
            status = build_leaving_status(seen.model, ending.finding, now)
            # Of a status that could not be read, what there is to remove would be forgotten.
            if seen.digests <= digests_of(body | {"status": status.to_json()}) | frozenset(status.unneeded):
                self._write_status(seen.model, body, status)
            return Visit(exists=True, look_again=_LOOK_AGAIN)
        for note in ending.notes:
            self._write_event(seen.model, note)
        self._farewell.release(seen.model, ending)
        return Visit(exists=True)

    def gone(self, body: JSON) -> None:
        """Say of a WhisperModel that is gone where its artifacts are, if they are to stay."""
        note = retained(body)
        if note is not None:
            self._write_event(parse_leniently(body), note)

    def _write_status(self, model: Model | InvalidModel, body: JSON, status: Status) -> None:
        """Write the status if it changed, and then, not before, tell about it."""
        self._metrics.show_model(model.key, status)
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
        for note in events.notes(model.status, status):
            self._write_event(model, note)

    def _write_event(self, model: Model | InvalidModel, note: events.Note) -> None:
        _log.info("%s: %s", note.reason, note.text, extra={"model": str(model.key)})
        body = events.build_event(model.key, model.uid, note, self._reporter, self._clock())
        try:
            self._client.create(body, kinds.REPORTED_EVENT)
        except KubeError as error:  # an event is a courtesy: the status has it all
            _log.warning("no event could be written: %s", error, extra={"model": str(model.key)})


def _servers(seen: Observed, deployment: JSON | None) -> Serving | None:
    wanted, pending = seen.model.spec.server.replicas, is_pending(seen.claim)
    return observe_servers(deployment, seen.server_pods, wanted, claim_pending=pending, hindered=hindrance(seen))


def _look_again(seen: Observed, decision: pulling.Pulling) -> timedelta | None:
    """Return when to look again. No event brings a model whose server kubelet cannot make."""
    if mounts.waiting_pod(seen.server_pods) is None:
        return decision.look_again
    return min(pulling.LOOK_AGAIN, decision.look_again or pulling.LOOK_AGAIN)


def _refusal(error: KubeError | None) -> Finding | None:
    if not isinstance(error, Refused):
        return None
    return Finding(Reason.PODS_FORBIDDEN if error.forbidden else LoaderReason.SPEC_INVALID, str(error))


def _earliest(*times: timedelta | None) -> timedelta | None:
    return min((time for time in times if time is not None), default=None)
