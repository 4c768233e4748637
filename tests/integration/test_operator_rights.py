"""The operator has the rights that it uses, uses the rights that it has, and says so when one is missing."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.integration.audit import Audit
from tests.integration.operator_process import OperatorProcess
from tests.integration.world import JSON, World, now, world_in
from tests.support.chart import NAMESPACE, of_kind, render

CREATED, FORBIDDEN = 201, 403

# Asked for by an admission plugin of OpenShift, and used by no call.
NO_CALL = {("update", "stt.whisper-operator.io", "whispermodels/finalizers")}


def test_every_right_of_the_chart_is_used_and_no_other_is_missed(world: World, audit: Audit) -> None:
    before = world.bring_up(server={"replicas": 2, "autoscaling": {"minReplicas": 2, "maxReplicas": 3}})
    world.apply(sha256="0" * 64)  # deletes the first Job, the budget and the autoscaler
    pull = world.until_job(instead_of=before)
    run_a_step(world, pull)  # reads its log
    quota: JSON = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "q"},
        "spec": {"hard": {"pods": "0"}},
    }
    world.make(quota)
    world.apply("forbidden")  # reads events
    world.until_condition("Degraded", "True", "PodsForbidden", "forbidden")
    world.kubectl("delete", "quota", "q")
    world.make_bound_claim("shared")
    world.bring_up("leaving", cache={"claimName": "shared"})  # sets a finalizer
    world.kubectl("delete", "wm", "leaving", "--wait=false")  # deletes its Deployment

    world.until("every right is used", lambda: chart_rights() <= used_rights(audit))
    assert used_rights(audit) == chart_rights()
    assert not [call for call in audit.calls() if call.status == FORBIDDEN and call.namespace == world.namespace]


def run_a_step(world: World, pull: JSON) -> None:
    running = {"name": "pull", "image": "i", "imageID": "i", "ready": False, "restartCount": 0}
    running["state"] = {"running": {"startedAt": now()}}
    world.set_status(pull, phase="Pending", initContainerStatuses=[running])
    world.until("the step is in the status", lambda: world.status().get("pull") == {"attempt": 1, "step": "pull"})


def used_rights(audit: Audit) -> set[tuple[str, str, str]]:
    """The rights used where WhisperModels are; those on the Lease are in the operator's own namespace."""
    calls = [call for call in audit.calls() if call.status != FORBIDDEN and call.resource != "leases"]
    # An apply that made the object needed the right to create it beside the one to patch.
    created = {
        ("create", call.group, call.resource) for call in calls if (call.verb, call.status) == ("patch", CREATED)
    }
    return created | {(call.verb, call.group, call.resource) for call in calls}


def chart_rights() -> set[tuple[str, str, str]]:
    (role,) = [one for one in of_kind(render("--set=rbac.aggregate=false"), "ClusterRole") if one["rules"]]
    rights = {
        (verb, group, resource)
        for rule in role["rules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    return rights - NO_CALL


def namespaced_operator(
    worlds: Sequence[World], control_plane: ControlPlane, log: Path, without: str = ""
) -> OperatorProcess:
    """An operator for these namespaces, with the Roles that the chart makes there, less the right to make one kind."""
    namespaces = ",".join(world.namespace for world in worlds)
    objects = render(f"--set=watchNamespaces={{{namespaces}}}", "--set=rbac.aggregate=false")
    roles, bindings = (in_namespaces(of_kind(objects, kind), namespaces) for kind in ("Role", "RoleBinding"))
    assert len(roles) == len(bindings) == len(worlds)
    for rule in (rule for role in roles for rule in role["rules"]):
        if without in rule["resources"]:
            rule["verbs"] = [verb for verb in rule["verbs"] if verb != "create"]
    (account,) = of_kind(objects, "ServiceAccount")
    account["metadata"]["name"] = f"for-{worlds[0].namespace}"
    for binding in bindings:
        binding["subjects"][0]["name"] = account["metadata"]["name"]
    made: list[dict[str, Any]] = [account, *roles, *bindings]
    control_plane.kubectl(
        "apply", "--server-side", "--filename=-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": made})
    )
    kubeconfig = control_plane.kubeconfig_for(NAMESPACE, account["metadata"]["name"])
    return OperatorProcess(kubeconfig, log, f"--namespaces={namespaces}")


def in_namespaces(objects: list[JSON], namespaces: str) -> list[JSON]:
    return [one for one in objects if one["metadata"]["namespace"] in namespaces.split(",")]


def test_with_roles_in_two_namespaces_it_works_there_and_needs_nothing_elsewhere(
    lone_world: World, other_world: World, third_world: World, control_plane: ControlPlane, tmp_path: Path
) -> None:
    operator = namespaced_operator([lone_world, other_world], control_plane, tmp_path / "log")
    third_world.apply()
    operator.start()
    try:
        lone_world.bring_up()
        other_world.bring_up()
        assert "orbidden" not in operator.new_log()
        assert third_world.status() == {}, "nobody is at work there"
    finally:
        operator.stop()


@pytest.mark.slow
def test_a_namespace_that_it_has_no_rights_in_keeps_no_other_from_being_served(
    lone_world: World, other_world: World, control_plane: ControlPlane, tmp_path: Path
) -> None:
    """As when a team deletes its namespace, and the Role with it, and as when both come back."""
    operator = namespaced_operator([lone_world, other_world], control_plane, tmp_path / "log")
    (binding,) = control_plane.kubectl.get("rolebindings", f"--namespace={other_world.namespace}")["items"]
    other_world.kubectl("delete", "rolebinding", binding["metadata"]["name"])
    operator.start()
    try:
        assert f"not served, since they are gone or this operator has no rights there: {other_world.namespace}" in (
            operator.new_log()
        )
        lone_world.bring_up()
        binding["metadata"] = {key: binding["metadata"][key] for key in ("name", "namespace", "labels")}
        control_plane.kubectl.apply(binding)
        other_world.until("it ends", lambda: operator.ended() == 0)
        assert f"may now serve {lone_world.namespace}, {other_world.namespace}" in operator.new_log()
        operator.start()  # as kubelet does
        other_world.bring_up()
    finally:
        operator.stop()


@pytest.fixture
def other_world(control_plane: ControlPlane) -> Iterator[World]:
    with world_in(control_plane) as world:
        yield world


@pytest.fixture
def third_world(control_plane: ControlPlane) -> Iterator[World]:
    with world_in(control_plane) as world:
        yield world


def test_a_right_that_is_missing_is_told_in_status_and_log(
    lone_world: World, control_plane: ControlPlane, tmp_path: Path
) -> None:
    operator = namespaced_operator([lone_world], control_plane, tmp_path / "log", without="jobs")
    operator.start()
    try:
        lone_world.apply()
        degraded = lone_world.until_condition("Degraded", "True", "PodsForbidden")
        assert 'cannot create resource "jobs" in API group "batch"' in degraded["message"]
        missing = 'cannot create resource \\"jobs\\"'
        lone_world.until("the log tells of it", lambda: missing in operator.new_log())
    finally:
        operator.stop()
