"""Nodes and pods that are played: kwok lets pods run and end as kubelets would, and a hand here puts them on nodes.

A pull's pod pulls, publishes, and ends with the words of the publish step; a server's pod becomes ready. There are no
volumes, so claims stay pending and kube-scheduler would leave the pods alone; and there are no logs to read.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import yaml

from benchmarks.operator_api import API, JSON, Event
from tests.cluster import binaries
from tests.cluster.control_plane import ControlPlane
from tests.cluster.ports import free_port
from tests.cluster.processes import wait_until
from whisper_contract.termination import TerminationMessage

NODES = 10
_BINDERS = 2
_ROOM = {"cpu": "10k", "memory": "100Ti", "pods": "100k"}
#: How long the pull, the publish step and the start of a server take, in milliseconds.
PULL, PUBLISH, START = 1_000, 500, 1_000
_PUBLISHED = TerminationMessage(
    step="publish", reason="Published", message="published", digest="sha256:" + "a" * 64,
    source="s3://models/m?etag=1", format="transformers", quantization="float16", size_bytes=1_600_000_000,
)  # fmt: skip
_NOW = "{{ Now | Quote }}"


@contextmanager
def played_nodes(control_plane: ControlPlane, api: API, folder: Path) -> Iterator[None]:
    """Have nodes, on which pods run, while the block does; `folder` is for kwok's settings."""
    config = folder / "kwok.yaml"
    config.write_text(yaml.safe_dump_all(_stages()))
    command = (
        binaries.kwok(), f"--kubeconfig={control_plane.kubeconfig}", f"--config={config}", "--manage-all-nodes=true",
        "--node-ip=127.0.0.1", f"--server-address=127.0.0.1:{free_port()}", "--node-lease-duration-seconds=40",
    )  # fmt: skip
    kwok = control_plane.start_beside("kwok", command)
    for number in range(NODES):
        api.post("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"node-{number}"}})
    wait_until("the nodes are ready", lambda: _ready(api) == NODES, seconds=60, watching=[kwok])
    with ThreadPoolExecutor(_BINDERS) as binders:

        def place(event: Event) -> None:
            if event.type == "ADDED":
                binders.submit(_bind, api, event.object["metadata"])

        with api.watching("/api/v1/pods?fieldSelector=spec.nodeName%3D", place):
            yield


def _ready(api: API) -> int:
    found = [one for node in api.get("/api/v1/nodes")["items"] for one in node["status"].get("conditions", [])]
    return sum(one["type"] == "Ready" and one["status"] == "True" for one in found)


def _bind(api: API, pod: JSON) -> None:
    node = f"node-{hash(pod['uid']) % NODES}"
    path = f"/api/v1/namespaces/{pod['namespace']}/pods/{pod['name']}/binding"
    target = {"apiVersion": "v1", "kind": "Node", "name": node}
    api.post(path, {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod["name"]}, "target": target})


def _stages() -> list[JSON]:
    """Return what becomes of nodes and pods: https://kwok.sigs.k8s.io/docs/user/stages-configuration/."""
    job, servers = (_rule(".metadata.ownerReferences.[].kind", "In", kind) for kind in ("Job", "ReplicaSet"))
    pending, running = (_rule(".status.phase", "In", phase) for phase in ("Pending", "Running"))
    stays = _rule(".metadata.deletionTimestamp", "DoesNotExist")
    begun = ".status.initContainerStatuses"
    unready = _rule('.status.conditions.[] | select( .type == "Ready" ) | .status', "NotIn", "True")
    return [
        _stage(
            "node", "Node", [unready], {"conditions": [_condition("Ready")], "allocatable": _ROOM, "capacity": _ROOM}
        ),
        _stage("pull-begins", "Pod", [stays, job, pending, _rule(begun, "DoesNotExist")], _pulling()),
        _stage("pull-publishes", "Pod", [stays, job, pending, _rule(begun, "Exists")], _publishing(), PULL),
        _stage("pull-ends", "Pod", [stays, job, running], _published(), PUBLISH),
        _stage("server-starts", "Pod", [stays, servers, pending], _serving(), START),
        _stage("pod-goes", "Pod", [_rule(".metadata.deletionTimestamp", "Exists")], None),
    ]


def _stage(name: str, kind: str, rules: list[JSON], status: JSON | None, delay: int = 0) -> JSON:
    template = yaml.safe_dump(status).replace("'" + _NOW + "'", _NOW)
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": kind},
            "selector": {"matchExpressions": rules},
            "delay": {"durationMilliseconds": delay},
            "next": {"delete": True} if status is None else {"statusTemplate": template},
        },
    }


def _rule(key: str, operator: str, *values: str) -> JSON:
    return {"key": key, "operator": operator} | ({"values": list(values)} if values else {})


def _condition(kind: str) -> JSON:
    return {"type": kind, "status": "True", "reason": "Played", "message": "", "lastTransitionTime": _NOW}


def _pulling() -> JSON:
    return {
        "phase": "Pending",
        "initContainerStatuses": [_container("pull", running={"startedAt": _NOW}), _waiting("convert")],
        "containerStatuses": [_waiting("publish")],
    }


def _publishing() -> JSON:
    return {
        "phase": "Running",
        "initContainerStatuses": [_ended("pull"), _ended("convert")],
        "containerStatuses": [_container("publish", running={"startedAt": _NOW})],
    }


def _published() -> JSON:
    return {
        "phase": "Succeeded",
        "initContainerStatuses": [_ended("pull"), _ended("convert")],
        "containerStatuses": [_ended("publish", _PUBLISHED.encode().decode())],
    }


def _serving() -> JSON:
    conditions = [_condition(kind) for kind in ("Initialized", "ContainersReady", "Ready")]
    server = _container("server", running={"startedAt": _NOW}) | {"ready": True, "started": True}
    return {"phase": "Running", "conditions": conditions, "containerStatuses": [server]}


def _container(name: str, **state: JSON) -> JSON:
    return {"name": name, "image": "i", "imageID": "i", "ready": False, "restartCount": 0, "state": state}


def _waiting(name: str) -> JSON:
    return _container(name, waiting={"reason": "PodInitializing"})


def _ended(name: str, message: str = "") -> JSON:
    return _container(name, terminated={"exitCode": 0, "message": message, "startedAt": _NOW, "finishedAt": _NOW})
