"""`whisper-operator up` as a process, its lines, and what it serves."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import yaml

from tests.support.models import COMMANDS, FIXTURES

_PATIENCE_SECONDS = 240


def free_ports() -> str:
    """Three ports that are free now, as --ports takes them."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    ports = [str(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ",".join(ports)


def write_model(file: Path, path: str = "speech-model", **spec: Any) -> None:
    """Write a file with one WhisperModel, whose source is a path below the fixtures."""
    model = {
        "apiVersion": "stt.whisper-operator.io/v1alpha1",
        "kind": "WhisperModel",
        "metadata": {"name": "small"},
        "spec": {"source": {"volume": {"claimName": "fixtures", "path": path}}, "server": {"device": "cpu"}} | spec,
    }
    written = file.with_suffix(".new")
    written.write_text(yaml.safe_dump(model))
    written.replace(file)


class Up:
    """A running `up` of model.yaml in a folder; use as a context, which ends it."""

    def __init__(self, folder: Path, *arguments: str, ports: str = "") -> None:
        self.file = folder / "model.yaml"
        self.ports = [int(port) for port in (ports or free_ports()).split(",")]
        self._log = folder / "log"
        fixed = f"--ports=small={','.join(map(str, self.ports))}"
        places = [str(self.file), "--data", str(folder / "data"), f"--volume=fixtures={FIXTURES}"]
        command = [str(COMMANDS / "whisper-operator"), "up", *places, fixed, *arguments]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log, cwd=folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(_PATIENCE_SECONDS)

    @property
    def log(self) -> str:
        """Everything that it said."""
        return self._log.read_text()

    def wait_for(self, text: str, times: int = 1) -> None:
        """Return once it has said `text` that often."""
        end = time.monotonic() + _PATIENCE_SECONDS
        while self.log.count(text) < times:
            assert self.process.poll() is None, f"it has ended:\n{self.log}"
            assert time.monotonic() < end, f"it never said {text!r}:\n{self.log}"
            time.sleep(0.05)

    def get(self, path: str) -> str:
        """Ask the HTTP API; a connection that comes in the moment in which a listener closes is made anew."""
        try:
            return self._get(path, self.ports[1])
        except (ConnectionError, urllib.error.URLError):
            return self._get(path, self.ports[1])

    def _get(self, path: str, port: int) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=_PATIENCE_SECONDS) as answer:
            return str(answer.read().decode())

    @contextmanager
    def unfinished_upload(self) -> Iterator[None]:
        """Have a call in flight, which waits for the rest of its request."""
        head = "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n"
        with socket.create_connection(("127.0.0.1", self.ports[1])) as connection:
            connection.sendall(f"{head}Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n".encode())
            end = time.monotonic() + _PATIENCE_SECONDS
            while "whisper_server_requests_in_progress 1.0" not in self._get("/metrics", self.ports[2]):
                assert time.monotonic() < end, "it is not at work on the upload"
                time.sleep(0.05)
            yield

    def kill_server(self) -> None:
        """End the server as the kernel does when memory runs out."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        (server,) = (pid for pid in children if b"whisper-server" in Path(f"/proc/{pid}/cmdline").read_bytes())
        os.kill(int(server), signal.SIGKILL)

    def wait_until_nobody_listens(self) -> None:
        """Return once its ports are free."""
        end = time.monotonic() + _PATIENCE_SECONDS
        for port in self.ports:
            while True:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)):
                        break
                assert time.monotonic() < end, f"somebody listens on {port}"
                time.sleep(0.05)

    def press_ctrl_c(self) -> None:
        """Send SIGINT."""
        self.process.send_signal(signal.SIGINT)

    def interrupt(self) -> int:
        """Press Ctrl-C, and return the exit code."""
        self.press_ctrl_c()
        return self.process.wait(_PATIENCE_SECONDS)
