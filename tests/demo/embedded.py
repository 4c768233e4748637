"""The demo on the embedded cluster of `tests/cluster`: any Linux with root, no container engine."""

import secrets
from pathlib import Path

from tests.cluster import cluster as embedded
from tests.cluster.cluster import Cluster
from tests.cluster.images import build_images
from tests.demo.target import Images, Storage
from tests.support.release import VERSION


class EmbeddedCluster:
    """This checkout's own cluster; one that is up already is used and, when interrupted, left alone."""

    title = "the embedded one-node cluster"

    def __init__(self) -> None:
        self._cluster: Cluster | None = None
        self._mine = False
        self._archives: list[Path] = []

    def build_images(self) -> None:
        self._archives = list(build_images().values())

    def bring_up(self) -> Path:
        self._cluster = Cluster.attached()
        if self._cluster is None:
            self._mine = True
            embedded.remove()
            self._cluster = Cluster.launch(images=self._archives)
        else:
            self._cluster.load_image(*self._archives)
        return self._cluster.kubeconfig

    def images(self) -> Images:
        return Images(registry="localhost", tag=VERSION)

    def s3_host(self) -> str:
        return self._running().host_address

    def storage(self) -> Storage:
        # A volume of its own for each run: one that an earlier run has used is not bound again.
        self._running().add_volume(f"demo-{secrets.token_hex(3)}", "2Gi")
        return Storage(cache={"storageClassName": embedded.STORAGE_CLASS, "size": "1Gi"})

    def take_down(self) -> bool:
        if self._mine:
            embedded.remove()
        return self._mine

    def farewell(self) -> str:
        return "make cluster-down"

    def _running(self) -> Cluster:
        assert self._cluster is not None, "bring_up comes first"
        return self._cluster
