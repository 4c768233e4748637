"""`whisper-server` as people and pods run it: a process of its own."""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self

from tests.support.models import COMMANDS

_PATIENCE_SECONDS = 240


class ServerProcess:
    """A running server; use as a context, which ends it."""

    def __init__(self, folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self.termination_log = folder / "termination-log"
        self.termination_log.touch()
        self._log = folder / "log"
        fixed = ["--host", "127.0.0.1", "--grpc-port", "0", "--http-port", "0", "--probe-port", "0"]
        program, log_option = str(COMMANDS / "whisper-server"), ("--termination-log", str(self.termination_log))
        command = [program, *fixed, *log_option, *arguments]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=folder, env={**os.environ, **(environment or {})}
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def log(self) -> str:
        """Everything that it wrote."""
        return self._log.read_text()

    def lines(self) -> list[dict[str, Any]]:
        """Return the log's lines; each must be a JSON object."""
        return [json.loads(line) for line in self.log.splitlines()]

    def line(self, message: str) -> dict[str, Any]:
        """Return the first line that says `message`, once it is there."""
        end = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < end:
            for line in self.log.splitlines(keepends=True):
                if line.endswith("\n") and message in line and json.loads(line)["message"].startswith(message):
                    return dict(json.loads(line))
            assert self.process.poll() is None, f"it has ended:\n{self.log}"
            time.sleep(0.02)
        raise AssertionError(f"it never said {message!r}:\n{self.log}")

    @property
    def address(self) -> str:
        """Where gRPC is served, once it is."""
        return f"127.0.0.1:{self.line('ready')['grpc_port']}"

    def get(self, path: str) -> tuple[int, str]:
        """Ask the probe port."""
        port = self.line("loading ")["probe_port"]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=_PATIENCE_SECONDS) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def wait_until_at_work_on(self, requests: int) -> None:
        """Return once it is at work on so many requests."""
        end = time.monotonic() + _PATIENCE_SECONDS
        while f"whisper_server_requests_in_progress {requests}.0" not in self.get("/metrics")[1]:
            assert self.process.poll() is None, f"it has ended:\n{self.log}"
            assert time.monotonic() < end, f"it never was:\n{self.log}"
            time.sleep(0.02)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def exit_code(self) -> int:
        """Return how it ended, once it has."""
        return self.process.wait(_PATIENCE_SECONDS)
