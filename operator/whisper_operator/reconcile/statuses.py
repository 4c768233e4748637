"""The status to write, from what was seen and decided."""

from datetime import datetime

from msgspec.structs import replace

from whisper_contract.progress import Progress
from whisper_contract.reasons import Reason as LoaderReason
from whisper_operator.api import conditions as kinds
from whisper_operator.api import names
from whisper_operator.api.inputs import shown_uri
from whisper_operator.api.model import InvalidModel, Model
from whisper_operator.api.reasons import MAX_DETAIL, Finding
from whisper_operator.api.status import Artifact, Phase, PullProgress, Status, Target
from whisper_operator.builders.service import endpoints
from whisper_operator.reconcile import rollout
from whisper_operator.reconcile.conditions import Situation, as_conditions, conditions, paused_conditions
from whisper_operator.reconcile.pulling import Pulling
from whisper_operator.reconcile.serving import Serving


def build_status(
    model: Model,
    situation: Situation,
    artifact: Artifact | None,
    target: Target,
    progress: Progress | None,
    now: datetime,
) -> Status:
    """Return the status: `artifact` is what the servers were given, `progress` what the running pull said last."""
    serving = situation.serving
    keep, pin = model.spec.cache.keep_revisions, model.spec.pin
    revisions = rollout.revisions(model.status.revisions, artifact, serving, keep, pin)
    wanted = model.spec.server.replicas
    ready = serving.ready if serving else 0
    return Status(
        observed_generation=model.generation,
        conditions=as_conditions(conditions(situation), model.status, model.generation, now),
        source_uri=shown_uri(model.spec.source),
        selector=names.server_selector(model.name),
        replicas=serving.replicas if serving else 0,
        ready_replicas=ready,
        ready=f"{ready}/{wanted}",
        endpoints=endpoints(model) if serving else None,
        artifact=revisions[0] if revisions else artifact,
        target=target,
        pull=_pull(situation.pulling, progress),
        revisions=revisions,
        refresh=situation.refreshing.record,
    )


def build_target(model: Model, situation: Situation, *, tried: bool) -> Target:
    """Return what is being prepared; `tried` tells whether the servers are now such as the spec wants them."""
    pulling, rejection = situation.pulling, situation.rejection
    before = model.status.target.tried if model.status.target else None
    target = Target(
        inputs_hash=model.inputs if model.pulls else None,
        state=pulling.phase,
        reason=str(pulling.finding.reason),
        digest=pulling.artifact.digest if pulling.artifact else None,
        artifact=pulling.artifact,
        tried=model.intent if tried else before,
    )
    if rejection is None:
        return target
    why = rejection.trouble
    return replace(target, state=Phase.REJECTED, reason=str(why.reason), message=why.detail[:MAX_DETAIL] or None)


def _pull(pulling: Pulling, progress: Progress | None) -> PullProgress | None:
    if pulling.phase is not Phase.PULLING or pulling.attempt is None:
        return None
    step = pulling.step[1] if pulling.step else None
    if progress is None or progress.step != step:
        return PullProgress(attempt=pulling.attempt, step=step)
    return PullProgress(
        attempt=pulling.attempt,
        step=step,
        percent=progress.percent,
        bytes_done=progress.bytes_done,
        bytes_total=progress.bytes_total,
        bytes_per_second=progress.bytes_per_second,
        eta_seconds=progress.eta_seconds,
    )


def build_paused_status(model: Model, serving: Serving | None, now: datetime) -> Status:
    """Return the status of a model that is left as it is: how its servers are, and all else as it was."""
    wanted, ready = model.spec.server.replicas, serving.ready if serving else 0
    return replace(
        model.status,
        observed_generation=model.generation,
        conditions=as_conditions(paused_conditions(model, serving), model.status, model.generation, now),
        source_uri=shown_uri(model.spec.source),
        selector=names.server_selector(model.name),
        replicas=serving.replicas if serving else 0,
        ready_replicas=ready,
        ready=f"{ready}/{wanted}",
        pull=None,
    )


def build_invalid_status(model: InvalidModel, now: datetime) -> Status:
    """Return the status of a model whose spec cannot be read: what ran for it goes on, and stays in the status."""
    finding = Finding(LoaderReason.SPEC_INVALID, model.error)
    return _halted_status(model, finding, now, progressing=False)


def build_leaving_status(model: Model, finding: Finding, now: datetime) -> Status:
    """Return the status of a model that is being deleted: `finding` says what that waits for."""
    return _halted_status(model, finding, now, progressing=True)


def _halted_status(model: Model | InvalidModel, finding: Finding, now: datetime, *, progressing: bool) -> Status:
    before = model.status
    available = before.condition(kinds.AVAILABLE)
    wanted = {
        kinds.ARTIFACT_READY: (False, finding),
        kinds.AVAILABLE: (available is not None and available.status == "True", finding),
        kinds.PROGRESSING: (progressing, finding),
        kinds.DEGRADED: (not progressing, finding),
        kinds.UP_TO_DATE: (None, finding),
        kinds.READY: (False, finding),
    }
    return Status(
        observed_generation=model.generation,
        conditions=as_conditions(wanted, before, model.generation, now),
        source_uri=before.source_uri,
        selector=before.selector,
        replicas=before.replicas,
        ready_replicas=before.ready_replicas,
        ready=before.ready,
        endpoints=before.endpoints,
        artifact=before.artifact,
        target=before.target,
        revisions=before.revisions,
        refresh=before.refresh,
        unneeded=before.unneeded,
        removal=before.removal,
    )
