"""How a Deployment replaces its servers, and how long each of them may take to load and to end."""

import math

from whisper_operator.api.spec import Options, Rollout, Strategy
from whisper_operator.builders.metadata import JSON

#: How long a server that was told to end still takes new requests, in seconds: until all endpoints know.
DRAIN_DELAY_SECONDS = 5
# The server's own, where the model sets none.
_MAX_CONNECTION_AGE_SECONDS = 30
# A server that ends has each connection reach its age first, which gRPC lengthens by up to a tenth.
_LONGEST_AGE = 1.1
# The server ends by itself when its time is over; kubelet, which ends it without a word, comes later.
_KUBELET_MARGIN_SECONDS = 25

STARTUP_PERIOD_SECONDS = 5

_ROLLING: dict[Strategy, JSON] = {
    Strategy.SURGE: {"maxUnavailable": 0, "maxSurge": 1},
    Strategy.IN_PLACE: {"maxUnavailable": 1, "maxSurge": 0},
}


def strategy(rollout: Rollout) -> JSON:
    """Return the Deployment's strategy."""
    if rollout.strategy is Strategy.RECREATE:
        return {"type": "Recreate"}
    return {"type": "RollingUpdate", "rollingUpdate": dict(_ROLLING[rollout.strategy])}


def startup_periods(rollout: Rollout) -> int:
    """Return how many periods a server has to load its model before kubelet starts it anew.

    Loading a large model from a slow share takes minutes. One that hangs gets another try before the rollout's
    deadline.
    """
    return rollout.progress_deadline_seconds * 3 // 4 // STARTUP_PERIOD_SECONDS


def termination_grace_seconds(rollout: Rollout, options: Options) -> int:
    """Return after how long kubelet ends a server that was told to end."""
    age = options.max_connection_age_seconds
    departures = math.ceil((_MAX_CONNECTION_AGE_SECONDS if age is None else age) * _LONGEST_AGE)
    return DRAIN_DELAY_SECONDS + departures + rollout.drain_seconds + _KUBELET_MARGIN_SECONDS


def drain_flags(rollout: Rollout, delay_seconds: int) -> list[str]:
    """Return the flags that make a server end before whatever runs it ends it."""
    return [
        *("--drain-delay-seconds", str(delay_seconds)),
        *("--grace-seconds", str(rollout.drain_seconds)),
    ]
