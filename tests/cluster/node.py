"""One node: containerd, kubelet and kube-proxy in namespaces of their own, below the node's first process.

The PID namespace is what makes ending a node certain: when its first process is killed, the kernel kills every shim and
container in it, and its mounts, links and firewall rules go with the namespaces.
"""

import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.cluster import binaries, cgroups, image_store, node_config, packages
from tests.cluster.control_plane import ControlPlane
from tests.cluster.errors import ClusterError
from tests.cluster.network import Network
from tests.cluster.processes import Daemon, answers, wait_until
from tests.cluster.slots import Slot

_INIT = Path(__file__).with_name("node_init.sh")
READY_SECONDS = 240


class Node:
    """A running node. Its folder in the run is its /var/lib."""

    def __init__(self, run: Path, slot: Slot, number: int) -> None:
        self.name = f"node-{number}"
        self.address = slot.node_address(number)
        self._run, self._slot, self._number = run, slot, number
        self._network = Network(run, slot)
        self._folder = run / self.name

    def start_runtime(self, *, nodes: int, images: Sequence[Path] = ()) -> None:
        """Starts the node, one of `nodes`, as far as containerd, which has the images of these archives.

        No API server is needed yet.
        """
        plugins = packages.find("ptp")
        assert plugins is not None, "packages.ensure(NODE) has been called"
        for name in ("log", "volumes", "programs", "tmp", "kubelet"):
            (self._folder / name).mkdir(parents=True)
        config = self._folder / "config"
        node_config.write(config, slot=self._slot, node=self.name, number=self._number, plugin_folder=plugins.parent)
        cgroups.create(f"{self._slot.name}/{self.name}")
        self._start_init()
        self._network.join(self._number, self.name, self._daemon("init").process.pid, nodes=nodes)
        if images:
            image_store.provide(images, self._folder / "containerd")
        for archive in images:
            self._note_loaded(archive)
        self.start_containerd()

    def start_kubernetes(self, control_plane: ControlPlane) -> None:
        """Starts kubelet and kube-proxy; returns when both run, the node is Ready some seconds later."""
        config = self._folder / "config"
        user = f"system:node:{self.name}"
        shutil.copy(control_plane.kubeconfig_of(user, group="system:nodes"), config / "kubelet.kubeconfig")
        shutil.copy(control_plane.kubeconfig_of("system:kube-proxy"), config / "kube-proxy.kubeconfig")
        serving = control_plane.authority.issue(f"kubelet-{self.name}", addresses=[self.address, self.name])
        shutil.copy(serving.certificate, config / "kubelet.crt")
        shutil.copy(serving.key, config / "kubelet.key")
        shutil.copy(control_plane.authority.certificate, config / "ca.crt")
        self.start_kubelet()
        self._start("kube-proxy", "/var/lib/programs/kube-proxy", f"--config={node_config.CONFIG}/kube-proxy.json")

    def wait_for_services(self) -> None:
        """Waits until kube-proxy has written the Services' rules."""
        url = f"http://{self.address}:10256/healthz"
        daemon = self._daemon("kube-proxy")
        wait_until("kube-proxy is in step", lambda: answers(url), seconds=READY_SECONDS, watching=[daemon])

    def start_containerd(self) -> None:
        """Starts containerd, after `kill_containerd` too; containers that run are found again."""
        self._start("containerd", "containerd", f"--config={node_config.CONFIG}/containerd.toml")
        watching = [self._daemon("containerd")]
        wait_until("containerd answers", self._containerd_answers, seconds=READY_SECONDS, watching=watching)

    def kill_containerd(self) -> None:
        """Kills containerd; its containers go on."""
        self._daemon("containerd").stop(signal.SIGKILL)

    def start_kubelet(self) -> None:
        """Starts kubelet, after `kill_kubelet` too; advertised GPUs must then be advertised again."""
        self._start(
            "kubelet",
            "/var/lib/programs/kubelet",
            f"--config={node_config.CONFIG}/kubelet.json",
            f"--kubeconfig={node_config.CONFIG}/kubelet.kubeconfig",
            f"--hostname-override={self.name}",
            f"--node-ip={self.address}",
        )

    def kill_kubelet(self) -> None:
        """Kills kubelet; containers go on, and the node is NotReady after the control plane's grace period."""
        self._daemon("kubelet").stop(signal.SIGKILL)

    def link_down(self) -> None:
        """Cuts the node off from the network."""
        self._network.set_link(self.name, "down")

    def link_up(self) -> None:
        """Joins the node to the network again."""
        self._network.set_link(self.name, "up")

    def load_image(self, archive: Path) -> None:
        """Imports a docker-archive or OCI archive, under the names in it, unless it is the last imported of its name.

        Raises:
            ClusterError: containerd refuses it.
        """
        loaded = self._loaded(archive)
        if loaded.exists() and loaded.read_text() == image_store.identity(archive):
            return
        with archive.open("rb") as content:
            command = self._inside("ctr", "--namespace=k8s.io", "images", "import", "-")
            done = subprocess.run(command, check=False, stdin=content, capture_output=True, text=True)
        if done.returncode:
            raise ClusterError(f"{archive} cannot be loaded into {self.name}: {done.stderr.strip()}")
        self._note_loaded(archive)

    def _loaded(self, archive: Path) -> Path:
        """Where it is noted which archive of this name was loaded last."""
        return self._folder / "loaded" / archive.name.partition("-")[0]

    def _note_loaded(self, archive: Path) -> None:
        loaded = self._loaded(archive)
        loaded.parent.mkdir(exist_ok=True)
        loaded.write_text(image_store.identity(archive))

    def _start_init(self) -> None:
        namespaces = ["--mount", "--pid", "--fork", "--mount-proc", "--net", "--uts", "--ipc", "--propagation=slave"]
        given = [self._folder, self._run / "volumes", binaries.kubernetes(), binaries.pause(), self.name]
        command = ["unshare", *namespaces, "sh", str(_INIT), *map(str, given)]
        init = Daemon.start(f"{self.name}-init", command, run=self._run)
        # Not by looking from inside: whoever entered a PID namespace before its first process would become that.
        ready = self._folder / "ready"
        wait_until(f"{self.name} is set up", ready.exists, seconds=10, watching=[init])

    def _start(self, name: str, *command: str) -> None:
        Daemon.start(f"{self.name}-{name}", self._inside(*command), run=self._run)

    def _daemon(self, name: str) -> Daemon:
        return Daemon.find(f"{self.name}-{name}", run=self._run)

    def _inside(self, *command: str) -> list[str]:
        """`command`, as a process of the node."""
        # The first process's parent: it is in all the node's namespaces but the one for PIDs, which is its children's.
        namespaces = f"/proc/{self._daemon('init').process.pid}/ns"
        enter = [f"--{option}={namespaces}/{file}" for option, file in _NAMESPACES.items()]
        return ["nsenter", *enter, "env", "TMPDIR=/var/lib/tmp", *command]

    def _containerd_answers(self) -> bool:
        return subprocess.run(self._inside("ctr", "version"), check=False, capture_output=True).returncode == 0


_NAMESPACES = {"mount": "mnt", "pid": "pid_for_children", "net": "net", "uts": "uts", "ipc": "ipc"}
