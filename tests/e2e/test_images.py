"""The images themselves, in pods of the restricted standard: what runs in them, as whom, and what is not in them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.errors import ClusterError
from tests.cluster.images import PARTS, buildah, image_name
from tests.support.release import VERSION

NAMESPACE = "images"
# Lines of `name=value` about the container, seen from inside.
INSIDE = """
echo user=$(id -u):$(id -g)
echo gains-rights=$(find / -xdev -type f -perm /6000 2>/dev/null | wc -l)
echo tools=$(for tool in pip gcc cc make curl; do command -v $tool; done)
echo writable=$(for folder in / /opt/whisper /usr /etc /var /tmp; do touch $folder/x 2>/dev/null && echo $folder; done)
echo version=$(python -c 'from importlib.metadata import version; print(version("whisper-operator"))')
echo uncompiled=$(find /opt/whisper -name '*.py' -path '*/whisper_*' | wc -l) \
  compiled=$(find /opt/whisper -name '*.pyc' -path '*/whisper_*' | wc -l)
"""
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def container(name: str, part: str, **fields: Any) -> dict[str, Any]:
    shared = {"imagePullPolicy": "Never", "securityContext": RESTRICTED}
    return {"name": name, "image": image_name(part)} | shared | fields


def pod(part: str) -> dict[str, Any]:
    """A pod that asks the image's program for help, and looks around inside the image."""
    containers = [
        container("program", part, args=["--help"]),
        container("inside", part, command=["sh", "-c", INSIDE]),
    ]
    spec = {"restartPolicy": "Never", "automountServiceAccountToken": False, "containers": containers}
    metadata = {"name": part, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@pytest.fixture(scope="module")
def pods(cluster: Cluster) -> Iterator[Cluster]:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}})
    cluster.kubectl.apply(*(pod(part) for part in PARTS))
    yield cluster
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture(params=PARTS)
def part(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def said(pods: Cluster, part: str) -> dict[str, str]:
    """What the containers of the image's pod printed."""
    where = (f"pod/{part}", f"--namespace={NAMESPACE}")
    try:
        pods.kubectl("wait", *where, "--for=jsonpath={.status.phase}=Succeeded", "--timeout=240s")
    except ClusterError as error:
        logs = pods.kubectl("logs", *where, "--all-containers", "--prefix", "--ignore-errors")
        pytest.fail(f"{error}\n{logs}")
    return {name: pods.kubectl("logs", *where, f"--container={name}") for name in ("program", "inside")}


def test_an_image_runs_its_program(part: str, said: dict[str, str]) -> None:
    program = {"operator": "whisper-operator", "loader": "whisper-model", "server": "whisper-server"}[part]
    assert f"usage: {program}" in said["program"]


def test_an_image_runs_as_nobody_writes_nothing_and_holds_no_tools(said: dict[str, str]) -> None:
    found = dict(pair.split("=", 1) for line in said["inside"].splitlines() for pair in line.split(" ") if "=" in pair)
    compiled = found.pop("compiled")
    assert found.pop("uncompiled") == compiled != "0"
    assert found == {"user": "10001:10001", "gains-rights": "0", "tools": "", "writable": "", "version": VERSION}


def test_an_image_is_labelled(cluster: Cluster, part: str) -> None:
    inspected = json.loads(buildah("inspect", "--type=image", image_name(part), what=f"image of the {part}"))
    configured = inspected["OCIv1"]["config"]
    assert configured["User"] == "10001:10001"
    assert configured["Labels"]["org.opencontainers.image.version"] == VERSION
    assert configured["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
