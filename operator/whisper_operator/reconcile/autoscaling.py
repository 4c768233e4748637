"""Whether the autoscaler that was made for a model can do its work: a pure decision from its own conditions."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from whisper_operator.api import conditions, names
from whisper_operator.api.reasons import Finding, Reason
from whisper_operator.reconcile.objects import condition, latest, time_of
from whisper_operator.reconcile.observation import Observed

#: Servers that have just become ready have no metrics yet, and adapters may be away for a moment.
PATIENCE = timedelta(minutes=5)
#: No event brings a model whose autoscaler is well again.
_LOOK_AGAIN = timedelta(seconds=30)
#: Told of what does not scale, and of what has been told not to: the number of servers was set to 0.
_INACTIVE, _SWITCHED_OFF = "ScalingActive", "ScalingDisabled"


@dataclass(frozen=True, slots=True)
class Autoscaling:
    """What is known of the autoscaler.

    Attributes:
        trouble: why it does not scale, once that has lasted; None when it does, or there is none.
        look_again: when to look anew if nothing happens before.
    """

    trouble: Finding | None = None
    look_again: timedelta | None = None


def decide(seen: Observed, now: datetime) -> Autoscaling:
    """Return what is known. Only of a model that is ready: before, there is other trouble, or a rollout, to tell of."""
    ready = seen.model.status.condition(conditions.READY)
    inactive = condition(seen.autoscaler, _INACTIVE, "False")
    if seen.model.spec.server.autoscaling is None or ready is None or ready.status != "True":
        return Autoscaling()
    if inactive is None or inactive.get("reason") == _SWITCHED_OFF:
        return Autoscaling()
    since = latest(map(time_of, filter(None, (inactive.get("lastTransitionTime"), ready.last_transition_time))))
    waits = timedelta(0) if since is None else since + PATIENCE - now
    if waits > timedelta(0):
        return Autoscaling(look_again=waits)
    name = names.deployment(seen.model.name)
    text = f"The HorizontalPodAutoscaler {name} does not scale: {inactive.get('reason')}: {inactive.get('message')}"
    return Autoscaling(Finding(Reason.AUTOSCALER_INACTIVE, text), _LOOK_AGAIN)
