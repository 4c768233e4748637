"""An autoscaler that cannot do its work is told once that has lasted, and only of a model that is otherwise well."""

import pytest

from tests.unit.operator.things import JSON, NOW, ago, model
from whisper_operator.api.model import Model
from whisper_operator.reconcile import autoscaling
from whisper_operator.reconcile.autoscaling import PATIENCE, Autoscaling
from whisper_operator.reconcile.observation import Observed

NO_METRICS = "FailedGetPodsMetric"


def scaled(ready: str = "True", *, since: float = 60) -> Model:
    """A model with an autoscaler; its Ready is so since so many minutes."""
    condition = {"type": "Ready", "status": ready, "reason": "r", "message": "", "lastTransitionTime": ago(since)}
    return model(server={"autoscaling": {"maxReplicas": 3}}, status={"conditions": [condition]})


def autoscaler(status: str, reason: str = NO_METRICS, *, since: float = 60) -> JSON:
    """What the autoscaler says of itself."""
    said = {"type": "ScalingActive", "status": status, "reason": reason, "message": "no metrics were returned"}
    return {"metadata": {"name": "m-server"}, "status": {"conditions": [said | {"lastTransitionTime": ago(since)}]}}


def decided(of: Model, body: JSON | None) -> Autoscaling:
    return autoscaling.decide(Observed(of, autoscaler=body), NOW)


def test_an_autoscaler_without_metrics_is_told_in_its_own_words_and_looked_at_again() -> None:
    found = decided(scaled(), autoscaler("False"))
    assert found.trouble is not None
    assert found.trouble.degraded
    assert found.trouble.message.startswith(
        "The HorizontalPodAutoscaler m-server does not scale: FailedGetPodsMetric: no metrics were returned. See that"
    )
    assert found.look_again is not None


@pytest.mark.parametrize(
    ("of", "body"),
    [
        (scaled(since=1), autoscaler("False", since=60)),
        (scaled(since=60), autoscaler("False", since=1)),
    ],
    ids=["the servers are new", "the trouble is new"],
)
def test_what_may_pass_by_itself_is_not_told_before_it_has_lasted(of: Model, body: JSON) -> None:
    found = decided(of, body)
    assert found.trouble is None
    assert found.look_again == PATIENCE - (NOW - NOW.replace(hour=11, minute=59))


@pytest.mark.parametrize(
    ("of", "body"),
    [
        (scaled(), autoscaler("True", "ValidMetricFound")),
        (scaled(), autoscaler("False", "ScalingDisabled")),
        (scaled("False"), autoscaler("False")),
        (scaled(), None),
        (scaled(), {"metadata": {"name": "m-server"}}),
        (model(), autoscaler("False")),
    ],
    ids=["it scales", "switched off by 0", "not ready", "none yet", "says nothing yet", "none is wanted any more"],
)
def test_otherwise_there_is_nothing_to_tell(of: Model, body: JSON | None) -> None:
    assert decided(of, body) == Autoscaling()
