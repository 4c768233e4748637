"""Every golden file of the operator is taken by a real API server, without a warning and in a restricted namespace."""

import json
import uuid
from collections.abc import Iterator

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.integration.world import World
from tests.support.objects import CASES, golden_objects

LEVEL = "pod-security.kubernetes.io"


@pytest.fixture(scope="module")
def restricted(control_plane: ControlPlane) -> Iterator[World]:
    """A namespace that takes only pods of the restricted standard."""
    world = World(control_plane, f"golden-{uuid.uuid4().hex[:8]}")
    world.create_namespace()
    levels = [f"{LEVEL}/{mode}=restricted" for mode in ("enforce", "warn")]
    control_plane.kubectl("label", "namespace", world.namespace, *levels)
    control_plane.kubectl(
        "apply",
        "--filename=-",
        stdin=json.dumps(
            {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "high"}, "value": 1}
        ),
    )
    yield world
    world.delete_namespace()


@pytest.mark.parametrize("case", CASES)
def test_a_golden_file_is_taken_without_a_warning(restricted: World, case: str) -> None:
    objects = golden_objects(case)
    for one in objects:
        one["metadata"]["namespace"] = restricted.namespace
    said = restricted.kubectl(
        "apply", "--server-side", "--dry-run=server", "--validate=strict", "--warnings-as-errors", "--filename=-",
        stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}),
    )  # fmt: skip
    assert said.count("(server dry run)") == len(objects)


@pytest.mark.parametrize("case", CASES)
def test_the_pods_of_a_golden_file_are_taken_in_a_restricted_namespace(restricted: World, case: str) -> None:
    """The API server only warns about a Job or a Deployment: what it would refuse are their pods."""
    for owner in (one for one in golden_objects(case) if "template" in one["spec"]):
        spec = owner["spec"]["template"]["spec"] | {"serviceAccountName": "default"}
        spec.pop("runtimeClassName", None)  # needs the class to be there
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}
        said = restricted.kubectl(
            "create", "--dry-run=server", "--validate=strict", "--filename=-", stdin=json.dumps(pod)
        )
        assert "created (server dry run)" in said
