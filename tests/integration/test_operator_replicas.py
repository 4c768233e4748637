"""Of several operators one is at work, whoever holds the Lease; and what they tell kubelet and Prometheus."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.integration.audit import Audit
from tests.integration.operator_process import OperatorProcess
from tests.integration.world import JSON, World
from tests.support.chart import NAMESPACE, RELEASE

pytestmark = pytest.mark.slow

FORBIDDEN = 403
#: The only one that the chart's Role allows.
LEASE = f"{RELEASE}-whisper-operator"


@pytest.fixture
def two(lone_world: World, operator_kubeconfig: Path, tmp_path: Path) -> Iterator[list[OperatorProcess]]:
    """Two operators for the world, the first of them at work."""
    del lone_world
    arguments = (f"--lease-namespace={NAMESPACE}", f"--lease-name={LEASE}")
    both = [
        OperatorProcess(operator_kubeconfig, tmp_path / f"{which}.log", *arguments) for which in ("first", "second")
    ]
    for one in both:
        one.start()
    yield both
    for one in both:
        print(one.story())
        if one.ended() is None:
            one.stop()


def leads(one: OperatorProcess) -> bool:
    return "whisper_operator_leader 1.0" in one.ask("/metrics")


def holder(control_plane: ControlPlane) -> str:
    lease: JSON = control_plane.kubectl.get("lease", LEASE, f"--namespace={NAMESPACE}")
    return str(lease["spec"].get("holderIdentity", ""))


def test_one_of_two_is_at_work_and_both_are_ready(lone_world: World, two: list[OperatorProcess]) -> None:
    first, second = two
    lone_world.until("the first one leads", lambda: leads(first))
    lone_world.bring_up()
    assert (first.ask("/readyz"), second.ask("/readyz")) == ("ok\n", "ok\n")
    assert not leads(second)
    assert "started a pull" in first.new_log()
    assert "started a pull" not in second.new_log()


def test_one_that_is_told_to_end_hands_over(
    lone_world: World, two: list[OperatorProcess], control_plane: ControlPlane, audit: Audit
) -> None:
    first, second = two
    lone_world.until("the first one leads", lambda: leads(first))
    lone_world.apply("before")
    lone_world.until_job(name="before")
    assert first.stop() == 0
    assert not holder(control_plane).endswith(f"_{first.pid}")  # nobody has to wait until its lease has run out
    lone_world.until("the second one leads", lambda: leads(second))
    lone_world.publish(lone_world.until_job(name="before"))
    lone_world.serve("before")
    lone_world.bring_up("after")
    of_leases = [call for call in audit.calls() if call.resource == "leases"]
    assert {call.verb for call in of_leases} == {"get", "create", "update"}
    assert FORBIDDEN not in {call.status for call in of_leases}


def test_one_that_is_killed_is_succeeded(lone_world: World, two: list[OperatorProcess]) -> None:
    first, second = two
    lone_world.until("the first one leads", lambda: leads(first))
    lone_world.apply()
    pull = lone_world.until_job()
    first.kill()
    lone_world.publish(pull)
    lone_world.until("the second one leads", lambda: leads(second))
    lone_world.serve()
    assert len(lone_world.jobs()) == 1


def test_one_that_could_not_renew_its_lease_ends_and_writes_no_more(
    lone_world: World, two: list[OperatorProcess]
) -> None:
    first, second = two
    lone_world.until("the first one leads", lambda: leads(first))
    first.pause()  # as a node does that hangs for a while
    lone_world.until("the second one leads", lambda: leads(second))
    first.go_on()
    lone_world.until("the first one ends", lambda: first.ended() is not None)
    assert first.ended() == 1
    assert "the lease could not be renewed" in first.new_log()
    lone_world.bring_up()


def test_one_that_stands_by_ends_when_it_is_told_to(two: list[OperatorProcess]) -> None:
    assert two[1].stop() == 0


def test_metrics_tell_of_queue_visits_models_and_pulls(world: World, operator: OperatorProcess) -> None:
    world.bring_up()
    world.apply("other")
    world.fail_pull(world.until_job(name="other"), 65)
    world.until_condition("Degraded", "True", "Unauthorized", "other")
    # Counted after the status is written.
    failed = 'whisper_operator_pulls_total{reason="Unauthorized"}'
    world.until("the failed pull is counted", lambda: failed in operator.ask("/metrics"))
    text = operator.ask("/metrics")
    assert sample(text, ready_series(world, "m")) == 1
    assert sample(text, ready_series(world, "other")) == 0
    assert sample(text, 'whisper_operator_pulls_total{reason="Published"}') >= 1
    assert sample(text, "whisper_operator_pull_bytes_total") >= 1_000
    assert sample(text, "whisper_operator_pull_seconds_count") >= 1
    assert sample(text, "whisper_operator_reconcile_seconds_count") >= 2
    assert sample(text, 'whisper_operator_api_requests_total{code="200",method="GET"}') >= 2
    assert sample(text, "whisper_operator_leader") == 1
    assert sample(text, 'whisper_operator_reconcile_errors_total{kind="defect"}') == 0
    assert "whisper_operator_queue_depth " in text
    assert "whisper_operator_queue_oldest_seconds " in text
    world.kubectl("delete", "wm", "m")
    gone = ready_series(world, "m")
    world.until("a model that is gone is forgotten", lambda: gone not in operator.ask("/metrics"))


def ready_series(world: World, model: str) -> str:
    return f'whisper_operator_model_condition{{condition="Ready",model="{model}",namespace="{world.namespace}"}}'


def sample(text: str, series: str) -> float:
    (line,) = (line for line in text.splitlines() if line.startswith(f"{series} "))
    return float(line.rpartition(" ")[2])
