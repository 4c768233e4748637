"""The operator as a process of its own, as whom the chart says, against the control plane of the tests."""

import faulthandler
import json
import os
import signal
import sys
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path

from kubernetes.config import kube_config

from tests.cluster.ports import free_port
from tests.cluster.processes import answers, wait_until
from tests.support.forked import Main, start_forked
from whisper_operator import app
from whisper_operator.cli import main

LOADER_IMAGE, SERVER_IMAGE = "registry.example.com/whisper-loader:1", "registry.example.com/whisper-server:1"

# Its start takes a second of computing: a quarter of a minute where all layers' tests share two cores.
PATIENCE_SECONDS = 240

_IMPORTED_ONCE = ("tests.integration.operator_process", "whisper_operator.starting")
_SCRIPT = Path(sys.executable).with_name("whisper-operator")


def _main(arguments: Sequence[str], resync_seconds: float) -> int:
    """Be the command; what is imported already has been told of an environment that was another."""
    faulthandler.enable()  # A crash of a library's native code tells where it was.
    app.RESYNC_SECONDS = resync_seconds
    kube_config.KUBE_CONFIG_DEFAULT_LOCATION = os.environ["KUBECONFIG"]
    return main(arguments)


def _script(arguments: Sequence[str]) -> int:
    """Become the console script, which imports all that it needs, as in a pod."""
    os.execv(_SCRIPT, [str(_SCRIPT), *arguments])


class OperatorProcess:
    """`whisper-operator run`, started and ended as a test needs it; by its console script where that is measured."""

    def __init__(
        self,
        kubeconfig: Path,
        log: Path,
        *arguments: str,
        by_script: bool = False,
        resync_seconds: float = app.RESYNC_SECONDS,
    ) -> None:
        self._kubeconfig = kubeconfig
        self._main: Main = _script if by_script else partial(_main, resync_seconds=resync_seconds)
        self._imported_once: tuple[str, ...] = () if by_script else _IMPORTED_ONCE
        self._log = log
        self._read = 0
        self._told = 0
        self._arguments = arguments
        self._process: BaseProcess | None = None
        self._probe_port = free_port()

    @property
    def address(self) -> str:
        """Where its probes and metrics are."""
        return f"127.0.0.1:{self._probe_port}"

    def _url(self, path: str) -> str:
        return f"http://{self.address}{path}"

    def ask(self, path: str) -> str:
        """What it answers to a GET of `path` on its port for probes and metrics."""
        with urllib.request.urlopen(self._url(path), timeout=240) as answer:
            text: str = answer.read().decode()
            return text

    def ended(self) -> int | None:
        """Its exit code, once it has ended."""
        assert self._process is not None
        return self._process.exitcode

    def pause(self) -> None:
        """Stop the process, and all that it does, until `go_on`."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    @property
    def pid(self) -> int:
        assert self._process is not None
        assert self._process.pid is not None
        return self._process.pid

    def start(self) -> None:
        """Start it unless it runs, and wait until it watches."""
        if self._process is None or self._process.exitcode is not None:
            self.launch()
            wait_until("the operator is ready", self._ready, seconds=PATIENCE_SECONDS)

    def launch(self) -> None:
        """Start it, without waiting for anything."""
        environment = os.environ | {
            "KUBECONFIG": str(self._kubeconfig),
            "WHISPER_OPERATOR_LOADER_IMAGE": LOADER_IMAGE,
            "WHISPER_OPERATOR_SERVER_IMAGE": SERVER_IMAGE,
            "WHISPER_OPERATOR_PROBE_PORT": str(self._probe_port),
        }
        self._process = start_forked(
            self._main,
            ["run", *self._arguments],
            environment,
            output=self._log,
            errors=self._log,
            imported_once=self._imported_once,
        )

    @contextmanager
    def revived(self) -> Iterator[None]:
        """Start it whenever it has ended, as kubelet does, while the block runs."""
        over = threading.Event()

        def revive() -> None:
            while not over.wait(0.1):
                if self.ended() is not None:
                    self.launch()

        thread = threading.Thread(target=revive)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.exitcode is None, f"the operator ended:\n{self._log.read_text()[-4000:]}"
        return answers(self._url("/readyz"))

    def kill_without_waiting(self) -> None:
        """SIGKILL, from a thread that has other things to do."""
        os.kill(self.pid, signal.SIGKILL)

    def kill(self) -> None:
        """SIGKILL: it can put nothing in order."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        if self._process.exitcode is None:
            with suppress(ProcessLookupError):  # ended by itself in this very moment
                os.kill(self.pid, number)
        self._process.join(PATIENCE_SECONDS)
        assert self._process.exitcode is not None, f"the operator goes on after {number.name}"
        return self._process.exitcode

    def defects(self) -> list[str]:
        """Tracebacks that the operator's own code has logged since asked last; a library that ends may log its own."""
        lines = [json.loads(line) for line in self.new_log().splitlines() if line.startswith("{")]
        ours = [line for line in lines if line["logger"].startswith("whisper_operator")]
        return [line["exc_info"] for line in ours if "exc_info" in line]

    def new_log(self) -> str:
        """What it has logged since this was asked last."""
        text = self._log.read_text()
        new, self._read = text[self._read :], len(text)
        return new

    def story(self) -> str:
        """What became of it since this was asked last, for whoever wonders about a test that failed."""
        text = self._log.read_text()
        new, self._told = text[self._told :], len(text)
        ended = self._process.exitcode if self._process is not None else None
        return new + ("" if ended is None else f"the operator has ended with {ended}\n")
