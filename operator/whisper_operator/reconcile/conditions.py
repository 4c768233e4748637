"""What was decided and seen, as the conditions of the status."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from whisper_operator.api import conditions as kinds
from whisper_operator.api.model import Model
from whisper_operator.api.reasons import Finding, Reason
from whisper_operator.api.status import Condition, Phase, Status
from whisper_operator.reconcile.objects import format_time
from whisper_operator.reconcile.pulling import Pulling
from whisper_operator.reconcile.refreshing import NOT_CHECKED, Refreshing
from whisper_operator.reconcile.rollout import Rejection
from whisper_operator.reconcile.serving import Serving

_STANDS = {"True": True, "False": False}
_AT_WORK = (Phase.PULLING, Phase.WAITING)


@dataclass(frozen=True, slots=True)
class Situation:
    """All that the conditions say something about.

    Attributes:
        pulling: what is done about the artifact.
        serving: what the servers are up to; None while there are none.
        refusal: why an object that we want cannot be made; None when all went well.
        rejection: that what the spec asks for was rejected; None when it was not.
        refreshing: what is known of the source since then.
        scaling: why the autoscaler does not scale; None when it does.
        waits: whether the operator has changed and the servers, as it wants them now, wait for their turn.
    """

    pulling: Pulling
    serving: Serving | None
    refusal: Finding | None = None
    rejection: Rejection | None = None
    refreshing: Refreshing = NOT_CHECKED
    scaling: Finding | None = None
    waits: bool = False

    @property
    def headline(self) -> Finding:
        """The one thing to know: why the model is, or is not, ready."""
        if self.refusal is not None:
            return self.refusal
        if self.pulling.phase is not Phase.PUBLISHED:
            return self.pulling.finding
        if self.rejection is not None:
            return self.rejection.finding
        return self.serving.finding if self.serving is not None else Finding(Reason.ROLLING_OUT)

    @property
    def degraded(self) -> Finding | None:
        """Why a person is needed, or None."""
        servers = self.serving.finding if self.serving is not None else None
        rejected = self.rejection.finding if self.rejection is not None else None
        asked = self.refreshing.lasting_failure
        findings = (self.refusal, self.pulling.finding, self.pulling.earlier, rejected, servers, asked, self.scaling)
        return next((finding for finding in findings if finding is not None and finding.degraded), None)

    @property
    def progressing(self) -> bool:
        """Whether the operator, a Job or a rollout is at work."""
        if self.refusal is not None:
            return False
        if self.pulling.phase in _AT_WORK:
            return not self.pulling.finding.degraded
        return self.pulling.phase is Phase.PUBLISHED and not self.ready and not self.headline.degraded

    @property
    def ready(self) -> bool:
        """Whether all servers that are wanted serve what the spec asks for."""
        artifact = self.pulling.artifact
        if self.refusal is not None or self.pulling.phase is not Phase.PUBLISHED or artifact is None:
            return False
        return self.serving is not None and self.serving.settled and self.serving.key == artifact.key


#: Of each condition its status, None where that is unknown, and why.
Wanted = Mapping[str, tuple[bool | None, Finding]]


def conditions(situation: Situation) -> Wanted:
    """Return each condition's status and why."""
    published = situation.pulling.phase is Phase.PUBLISHED
    degraded = situation.degraded
    headline = situation.headline
    return {
        kinds.ARTIFACT_READY: (published, situation.pulling.finding),
        kinds.AVAILABLE: _available(situation.serving, headline),
        kinds.PROGRESSING: _progressing(situation),
        kinds.DEGRADED: (degraded is not None, degraded or headline),
        kinds.UP_TO_DATE: (situation.refreshing.up_to_date, situation.refreshing.finding),
        kinds.READY: (situation.ready, headline),
    }


def _progressing(situation: Situation) -> tuple[bool, Finding]:
    if situation.waits and not situation.progressing and situation.refusal is None:
        return True, Finding(Reason.WAITING_FOR_ROLLOUTS)
    return situation.progressing, situation.headline


def paused_conditions(model: Model, serving: Serving | None) -> Wanted:
    """Return each condition's status and why, of a model that is left as it is."""
    paused = Finding(Reason.PAUSED)
    before = model.status.condition(kinds.UP_TO_DATE)
    trouble = serving.finding if serving is not None and serving.finding.degraded else None
    return {
        kinds.ARTIFACT_READY: (_is_published(model), paused),
        kinds.AVAILABLE: _available(serving, paused),
        kinds.PROGRESSING: (False, paused),
        kinds.DEGRADED: (trouble is not None, trouble or paused),
        kinds.UP_TO_DATE: (_STANDS.get(before.status) if before is not None else None, paused),
        kinds.READY: (_serves_as_asked(model, serving), paused),
    }


def _is_published(model: Model) -> bool:
    target = model.status.target
    if target is None or target.state not in (Phase.PUBLISHED, Phase.REJECTED):
        return False
    return target.inputs_hash is None or target.inputs_hash == model.inputs


def _serves_as_asked(model: Model, serving: Serving | None) -> bool:
    """Tell whether what the servers were given last is what the spec asks for now, and they are ready with it."""
    target = model.status.target
    if target is None or target.state is not Phase.PUBLISHED or target.tried != model.intent:
        return False
    if serving is None or target.artifact is None:
        return False
    return serving.settled and serving.key == target.artifact.key


def _available(serving: Serving | None, otherwise: Finding) -> tuple[bool, Finding]:
    if serving is None:
        return False, otherwise
    if serving.ready:
        return True, Finding(Reason.SERVERS_READY, f"{serving.ready} of {serving.wanted} servers are ready")
    return False, serving.finding


def as_conditions(wanted: Wanted, previous: Status, generation: int, now: datetime) -> tuple[Condition, ...]:
    """Return the conditions to write. The time of transition moves only with the status of a condition."""
    made = (
        Condition(
            type=kind,
            status="Unknown" if stands is None else str(stands),
            reason=str(finding.reason),
            message=finding.message,
            observed_generation=generation,
            last_transition_time=format_time(now),
        )
        for kind, (stands, finding) in wanted.items()
    )
    return tuple(_keep_time(condition, previous.condition(condition.type)) for condition in made)


def _keep_time(condition: Condition, before: Condition | None) -> Condition:
    if before is None or before.status != condition.status or not before.last_transition_time:
        return condition
    return msgspec.structs.replace(condition, last_transition_time=before.last_transition_time)
