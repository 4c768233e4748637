"""A real registry, Debian's docker-registry, on a folder of its own; open, behind a password, or behind tokens."""

import base64
import hashlib
import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3

from tests.cluster.certificates import KeyPair
from tests.cluster.packages import ensure, find
from tests.cluster.ports import free_port
from tests.support.tokens import TokenServer

#: Program -> Debian package, of what tests of registries run.
PROGRAMS = {"docker-registry": "docker-registry", "skopeo": "skopeo"}
USER = "reader"
PASSWORD = "hunter2-registry"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
TITLE = "org.opencontainers.image.title"

# bcrypt of PASSWORD: the only kind that docker-registry takes, and Python has none.
_HTPASSWD = f"{USER}:$2b$05$F12uD8iAxQn9nCcwc15Lve8eWnPGVHGEaDLXitxB1vKiOWDtnUMo2\n"
_READY_SECONDS = 240
_STOP_SECONDS = 10


def programs() -> None:
    """Have what tests of registries run."""
    ensure(PROGRAMS)


@dataclass(frozen=True)
class Layer:
    """A blob on its way into a manifest; with a `title` it is a file of an artifact."""

    content: bytes
    title: str | None = None
    media_type: str = LAYER


@dataclass(frozen=True)
class Registry:
    """A registry that runs. Tests fill an open one by the plain requests of the distribution specification.

    Attributes:
        host: address and port, as a reference names it.
        folder: where it keeps its blobs, and its log.
    """

    host: str
    folder: Path
    tls: bool = False

    @classmethod
    @contextmanager
    def start(
        cls,
        *,
        password: bool = False,
        tokens: TokenServer | None = None,
        keys: KeyPair | None = None,
        storage: str | None = None,
        data: Path | None = None,
    ) -> Iterator["Registry"]:
        """Start a registry; stop it at the end.

        Args:
            password: ask for `USER` and `PASSWORD` by Basic.
            tokens: ask for tokens of this server.
            keys: speak TLS.
            storage: redirect reads of blobs to this URL.
            data: the folder of another registry's blobs to show.
        """
        programs()
        with tempfile.TemporaryDirectory(prefix="whisper-registry-") as name:
            folder = Path(name)
            address = f"127.0.0.1:{free_port()}"
            config: dict[str, Any] = {
                "version": "0.1",
                "storage": {"filesystem": {"rootdirectory": str(data or folder / "data")}},
                "http": {"addr": address},
            }
            if password:
                (folder / "htpasswd").write_text(_HTPASSWD)
                config["auth"] = {"htpasswd": {"realm": "models", "path": str(folder / "htpasswd")}}
            if tokens is not None:
                config["auth"] = {"token": tokens.settings}
            if keys is not None:
                config["http"]["tls"] = {"certificate": str(keys.certificate), "key": str(keys.key)}
            if storage is not None:
                config["middleware"] = {"storage": [{"name": "redirect", "options": {"baseurl": storage}}]}
            registry = cls(address, folder, tls=keys is not None)
            process = registry._launch(config)
            try:
                registry._wait_until_ready(process)
                yield registry
            finally:
                process.terminate()
                process.wait(_STOP_SECONDS)

    @property
    def endpoint(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}"

    @property
    def port(self) -> int:
        return int(self.host.rpartition(":")[2])

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def reference(self, name: str) -> str:
        """Return the URI of what `name`, like ``speech/tiny:1#models``, is called here."""
        return f"oci://{self.host}/{name}"

    def blob(self, digest: str) -> Path:
        """Return the file in which the registry keeps a blob."""
        hexadecimal = digest.removeprefix("sha256:")
        return self.data / "docker/registry/v2/blobs/sha256" / hexadecimal[:2] / hexadecimal / "data"

    def push(self, name: str, tag: str, layers: Sequence[Layer]) -> str:
        """Upload an image or artifact; return the manifest's digest."""
        config = {"mediaType": CONFIG, **self._blob(name, b"{}")}
        entries: list[dict[str, Any]] = []
        for layer in layers:
            entry = {"mediaType": layer.media_type, **self._blob(name, layer.content)}
            entries.append(entry if layer.title is None else {**entry, "annotations": {TITLE: layer.title}})
        document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": entries}
        return self.push_manifest(name, tag, document)

    def push_index(self, name: str, tag: str, platforms: dict[str, str]) -> str:
        """Upload an index of manifests that are there, by platform like ``linux/amd64``; return its digest."""
        manifests = []
        for platform, digest in platforms.items():
            system, architecture = platform.split("/")
            size = self.blob(digest).stat().st_size
            runs_on = {"os": system, "architecture": architecture}
            manifests.append({"mediaType": MANIFEST, "digest": digest, "size": size, "platform": runs_on})
        return self.push_manifest(name, tag, {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})

    def push_manifest(self, name: str, tag: str, document: dict[str, Any]) -> str:
        content = json.dumps(document).encode()
        url = f"{self.endpoint}/v2/{name}/manifests/{tag}"
        reply = urllib3.request("PUT", url, body=content, headers={"Content-Type": document["mediaType"]})
        assert reply.status == 201, reply.data
        return f"sha256:{hashlib.sha256(content).hexdigest()}"

    def _blob(self, name: str, content: bytes) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        started = urllib3.request("POST", f"{self.endpoint}/v2/{name}/blobs/uploads/")
        url = f"{started.headers['Location']}&digest={digest}"
        reply = urllib3.request("PUT", url, body=content, headers={"Content-Type": "application/octet-stream"})
        assert reply.status == 201, reply.data
        return {"digest": digest, "size": len(content)}

    def _launch(self, config: dict[str, Any]) -> subprocess.Popen[bytes]:
        program = find("docker-registry")
        assert program is not None
        file = self.folder / "config.yml"
        file.write_text(json.dumps(config))  # JSON is YAML
        with (self.folder / "log").open("wb") as log:
            return subprocess.Popen([program, "serve", file], stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + _READY_SECONDS
        while time.monotonic() < end and process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"docker-registry did not become ready:\n{(self.folder / 'log').read_text()}")


def docker_config(host: str, **entry: str) -> str:
    """Return a docker config with one entry; user and password go into its `auth`, as `docker login` writes it."""
    if "username" in entry and "auth" not in entry:
        entry = {"auth": base64.b64encode(f"{entry['username']}:{entry['password']}".encode()).decode()}
    return json.dumps({"auths": {host: entry}})
