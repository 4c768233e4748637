"""Writes kubeconfig files that hold all they need, and runs kubectl with one."""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

from tests.cluster import binaries
from tests.cluster.certificates import KeyPair
from tests.cluster.errors import ClusterError

KUBECTL_SECONDS = 300


def for_certificate(path: Path, *, server: str, authority: Path, pair: KeyPair) -> Path:
    """Writes the kubeconfig of the user whom `pair` names."""
    user = {"client-certificate-data": _data(pair.certificate), "client-key-data": _data(pair.key)}
    return _write(path, server, authority, user)


def for_token(path: Path, *, server: str, authority: Path, token: str) -> Path:
    """Writes the kubeconfig of the user whom `token` names."""
    return _write(path, server, authority, {"token": token})


class Kubectl:
    """kubectl as the user of one kubeconfig."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig

    def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        """What `kubectl ARGUMENTS` prints.

        Raises:
            ClusterError: It failed; with what it said.
        """
        command = [str(binaries.kubectl()), f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, input=stdin, timeout=KUBECTL_SECONDS
        )
        if done.returncode:
            raise ClusterError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def get(self, *arguments: str) -> Any:
        """`kubectl get ARGUMENTS`, read from JSON: an object, or a list object."""
        return json.loads(self("get", *arguments, "--output=json"))

    def apply(self, *objects: dict[str, Any]) -> None:
        """Applies these objects; the API server checks their fields strictly."""
        manifest = {"apiVersion": "v1", "kind": "List", "items": objects}
        self("apply", "--server-side", "--validate=strict", "--filename=-", stdin=json.dumps(manifest))


def _write(path: Path, server: str, authority: Path, user: dict[str, str]) -> Path:
    name = "whisper-operator-test"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": name, "cluster": {"server": server, "certificate-authority-data": _data(authority)}},
        ],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(config, indent=1))
    return path


def _data(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
