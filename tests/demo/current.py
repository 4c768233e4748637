"""The demo on the cluster of the KUBECONFIG, for `CLUSTER=current make demo`."""

import os
import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

from tests.demo.commands import output
from tests.demo.target import DemoError, Images, Storage
from tests.support.release import VERSION

HELP = """CLUSTER=current needs to know:
  KUBECONFIG=FILE        the cluster
  REGISTRY=HOST/PATH     where it pulls whisper-operator, whisper-loader and whisper-server from
                         (make images builds them; push them there)
and, when the defaults do not fit:
  TAG=VERSION            the images' tag (this checkout's version)
  HOST_ADDRESS=ADDRESS   this machine as pods reach it, for the S3 server (the address that faces the API server)
  STORAGE_CLASS=NAME     the class of the model's volume (the default class)
  ACCESS_MODE=MODE       ReadWriteMany or ReadWriteOnce (ReadWriteOnce)"""


class CurrentCluster:
    """A cluster that is there already. Nothing is made in it but what helm and kubectl apply."""

    title = "the cluster of your KUBECONFIG"

    def __init__(self, kubectl: Path) -> None:
        self._kubectl = kubectl

    def build_images(self) -> None:
        """Leave it to the person: `make images`."""

    def bring_up(self) -> Path:
        if not os.environ.get("KUBECONFIG") or not os.environ.get("REGISTRY"):
            raise DemoError(HELP)
        output(str(self._kubectl), "get", "--raw", "/readyz")
        return Path(os.environ["KUBECONFIG"])

    def images(self) -> Images:
        return Images(registry=os.environ["REGISTRY"], tag=os.environ.get("TAG", VERSION))

    def s3_host(self) -> str:
        named = os.environ.get("HOST_ADDRESS")
        if named:
            return named
        server = output(
            str(self._kubectl), "config", "view", "--minify", "--output=jsonpath={.clusters[0].cluster.server}"
        )
        parts = urlsplit(server)
        # A datagram socket that is connected and never used: the kernel chooses the address that faces the server.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((parts.hostname or "", parts.port or 443))
            address = str(probe.getsockname()[0])
        if re.match(r"127\.", address):
            raise DemoError(f"pods cannot reach this machine at {address}: set HOST_ADDRESS\n{HELP}")
        return address

    def storage(self) -> Storage:
        storage_class = os.environ.get("STORAGE_CLASS")
        chosen = {"storageClassName": storage_class} if storage_class else {}
        return Storage(cache={**chosen, "accessModes": [os.environ.get("ACCESS_MODE", "ReadWriteOnce")], "size": "1Gi"})

    def take_down(self) -> bool:
        """Leave the cluster as it is: it is not the demo's."""
        return False

    def farewell(self) -> str:
        return "kubectl delete namespace whisper-demo; helm uninstall whisper-operator -n whisper-operator"
