"""The demo on kind, where a container engine and kind are there."""

import ipaddress
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.demo.commands import output, shown
from tests.demo.target import DemoError, Images, Storage
from tests.support.release import VERSION

NAME = "whisper-operator-demo"
IMAGES = {part: f"localhost/whisper-{part}:{VERSION}" for part in ("operator", "loader", "server")}


def available() -> bool:
    """Whether kind is installed and a container engine answers (a Docker client alone is none)."""
    if not (shutil.which("kind") and shutil.which("docker")):
        return False
    return subprocess.run(["docker", "info"], check=False, capture_output=True).returncode == 0


class KindCluster:
    """A kind cluster made from kind-config.yaml; one that is up already is used and, when interrupted, left alone."""

    title = "kind, with kind-config.yaml"

    def __init__(self) -> None:
        self._mine = False
        self._kubeconfig = Path(tempfile.gettempdir(), f"{NAME}.kubeconfig")

    def build_images(self) -> None:
        for part, name in IMAGES.items():
            target = ("--target", part, "--tag", name)
            shown("docker", "buildx", "build", "--load", *target, "--file", "images/Dockerfile", ".")

    def bring_up(self) -> Path:
        if NAME not in output("kind", "get", "clusters").split():
            self._mine = True
            shown("kind", "create", "cluster", "--name", NAME, "--config", "kind-config.yaml")
        self._kubeconfig.touch(mode=0o600)
        self._kubeconfig.write_text(output("kind", "get", "kubeconfig", "--name", NAME))
        shown("kind", "load", "docker-image", "--name", NAME, *IMAGES.values())
        return self._kubeconfig

    def images(self) -> Images:
        return Images(registry="localhost", tag=VERSION)

    def s3_host(self) -> str:
        """The gateway of kind's network: this machine, as the nodes see it."""
        template = "{{range .IPAM.Config}}{{.Gateway}} {{end}}"
        for gateway in output("docker", "network", "inspect", "kind", "--format", template).split():
            if ipaddress.ip_address(gateway).version == 4:
                return gateway
        raise DemoError("kind's network has no IPv4 gateway, where the demo's S3 server would listen")

    def storage(self) -> Storage:
        # kind's default class binds to one node, and here there is one.
        return Storage(cache={"accessModes": ["ReadWriteOnce"], "size": "1Gi"})

    def take_down(self) -> bool:
        if self._mine:
            shown("kind", "delete", "cluster", "--name", NAME)
        return self._mine

    def farewell(self) -> str:
        return f"kind delete cluster --name {NAME}"
