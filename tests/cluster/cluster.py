"""A whole Kubernetes on this machine, of one node or several: real kubelets and containers, with no container engine.

Needs root. `with Cluster.start(nodes=2) as cluster` is for tests; `python -m tests.cluster up` leaves one running.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.cluster import binaries, cgroups, network, node_config, packages, runs, slots
from tests.cluster.api import Api
from tests.cluster.console import say, timed
from tests.cluster.control_plane import ControlPlane, Settings
from tests.cluster.errors import ClusterError
from tests.cluster.kubeconfig import Kubectl
from tests.cluster.network import Network
from tests.cluster.node import READY_SECONDS, Node
from tests.cluster.processes import Daemon, end_all, wait_until
from tests.cluster.scratch_image import write_image
from tests.cluster.slots import Slot

KIND = "cluster"
STORAGE_CLASS = "shared"
GPU = "nvidia.com/gpu"
CHECKOUT = Path(__file__).resolve().parents[2]


class Cluster:
    """A running cluster.

    Attributes:
        host_address: Where pods reach what listens on this machine at this address (or at 0.0.0.0).
        kubeconfig: The administrator's.
        kubectl: kubectl as the administrator.
        nodes: The nodes, `node-1` first.
        control_plane: None where another process started it (`attached`).
    """

    def __init__(self, run: Path, slot: Slot, nodes: int, control_plane: ControlPlane | None = None) -> None:
        self._run, self._slot = run, slot
        self.host_address = slot.host
        self.kubeconfig = run / "certificates" / "admin.kubeconfig"
        self.kubectl = Kubectl(self.kubeconfig)
        self.nodes = [Node(run, slot, number) for number in range(1, nodes + 1)]
        self.control_plane = control_plane

    @cached_property
    def api(self) -> Api:
        """The API server as the administrator."""
        return Api(self.kubeconfig)

    @classmethod
    @contextmanager
    def start(cls, *, nodes: int = 1, images: Sequence[Path] = ()) -> Iterator["Cluster"]:
        """Starts a cluster, and removes it and all it did to the machine with the block, however that ends.

        Args:
            nodes: How many.
            images: docker-archives whose images every node has from the start, as if by `load_image`, and sooner.

        Raises:
            ClusterError: Something is missing or did not come up; says what to install, or ends in the log's tail.
        """
        _prepare()
        with runs.own_run(KIND, sweep) as run:
            yield cls._start_in(run, nodes, images)

    @classmethod
    def launch(cls, *, nodes: int = 1, images: Sequence[Path] = ()) -> "Cluster":
        """Starts a cluster that outlives this process, as its checkout's: `attached` finds it, `remove` ends it."""
        _prepare()
        with runs.own_run(KIND, sweep) as run:
            cluster = cls._start_in(run, nodes, images)
            runs.detach(run, CHECKOUT)
        return cluster

    @classmethod
    def attached(cls) -> "Cluster | None":
        """The cluster that `launch` started for this checkout, as long as all of it runs."""
        for run in runs.detached_runs(KIND, CHECKOUT):
            slot = slots.slot_of(run)
            if slot and all(daemon.running for daemon in Daemon.all(run)):
                return cls(run, slot, len(list(run.glob("node-*"))))
        return None

    @classmethod
    def _start_in(cls, run: Path, nodes: int, images: Sequence[Path]) -> "Cluster":
        begin = time.monotonic()
        with slots.machine_lock():
            slot = slots.take_slot(run)
        (run / "volumes").mkdir()
        cluster = cls(run, slot, nodes)
        with timed(f"{nodes} node(s) with containerd"):
            cluster._start_machines(images)
        cluster.control_plane = ControlPlane.start_in(run, _settings(slot))
        cluster.control_plane.start_scheduler()
        with timed("kubelet and kube-proxy ready"):
            cluster._start_kubernetes(cluster.control_plane)
        say(f"cluster ready: {nodes} node(s), {time.monotonic() - begin:.1f} s in all")
        return cluster

    def load_image(self, *archives: Path) -> None:
        """Makes the images in these docker-archives known to every node, under the names in them."""
        for archive in archives:
            for node in self.nodes:
                with timed(f"{archive.name} loaded into {node.name}"):
                    node.load_image(archive)

    def advertise_gpus(self, node: str, count: int) -> None:
        """Gives `node` GPUs that are not there: pods that ask for them are placed and run, until kubelet restarts."""
        path = f"/status/capacity/{GPU.replace('/', '~1')}"
        patch = json.dumps([{"op": "add", "path": path, "value": str(count)}])
        self.kubectl("patch", "node", node, "--subresource=status", "--type=json", f"--patch={patch}")
        wait_until(
            f"{node} offers {count} GPUs",
            lambda: self._node(node)["status"]["allocatable"].get(GPU) == str(count),
            seconds=READY_SECONDS,
        )

    def add_volume(self, name: str, size: str = "10Gi", *, access_mode: str = "ReadWriteMany") -> Path:
        """Adds a PersistentVolume of the class `STORAGE_CLASS`, on all nodes; returns its folder on this machine."""
        folder = self._run / "volumes" / name
        folder.mkdir()
        folder.chmod(0o777)  # A hostPath is not given to a pod's fsGroup, and pods run as nobody in particular.
        self.kubectl.apply(_volume(name, size, access_mode))
        return folder

    def _start_machines(self, images: Sequence[Path]) -> None:
        pause = self._run / "pause.tar"
        write_image(pause, program=binaries.pause(), name=node_config.PAUSE_IMAGE)
        Network(self._run, self._slot).start()
        for node in self.nodes:
            node.start_runtime(nodes=len(self.nodes), images=images)
            node.load_image(pause)

    def _start_kubernetes(self, control_plane: ControlPlane) -> None:
        for node in self.nodes:
            node.start_kubernetes(control_plane)
        self.kubectl.apply(_storage_class())
        daemons = [daemon for daemon in Daemon.all(self._run) if daemon.name.endswith("-kubelet")]
        wait_until("all nodes are Ready", self._all_ready, seconds=READY_SECONDS, watching=daemons)
        for node in self.nodes:
            node.wait_for_services()

    def _all_ready(self) -> bool:
        return all(_is_ready(self._node(node.name)) for node in self.nodes)

    def _node(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.api.get(f"/api/v1/nodes/{name}") or {}
        return found


def remove() -> bool:
    """Ends the cluster that `launch` started for this checkout. False: there was none."""
    found = runs.detached_runs(KIND, CHECKOUT)
    with runs.uninterrupted():
        for run in found:
            sweep(run)
    return bool(found)


def sweep(run: Path) -> None:
    """Ends all processes of `run` and removes all that it made. Safe to repeat; works on what a crash has left, too."""
    end_all(run)
    slot = slots.slot_of(run)
    if slot:
        network.remove_network(slot)
        cgroups.remove(slot.name)
        slots.free_slot(slot)
    if run.exists():
        shutil.rmtree(run)


def _prepare() -> None:
    if os.geteuid() != 0:
        raise ClusterError("a cluster with nodes needs root: run this again with sudo")
    packages.ensure(packages.NODE)
    binaries.kubernetes()
    binaries.pause()
    with slots.machine_lock():
        runs.sweep_leftovers({*runs.all_runs(KIND), *slots.taken_slots().values()}, sweep)


def _settings(slot: Slot) -> Settings:
    return Settings(address=slot.host, service_range=slot.services_range, kubernetes_address=slot.kubernetes_service)


def _is_ready(node: dict[str, Any]) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _storage_class() -> dict[str, Any]:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": STORAGE_CLASS},
        "provisioner": "kubernetes.io/no-provisioner",
    }


def _volume(name: str, size: str, access_mode: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": size},
            "accessModes": [access_mode],
            "storageClassName": STORAGE_CLASS,
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": f"/var/lib/volumes/{name}", "type": "Directory"},
        },
    }
