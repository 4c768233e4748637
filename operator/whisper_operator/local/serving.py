"""A server process: from its start until it has become ready or ended, and until all its calls are done."""

import asyncio
import json
import signal
import tempfile
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from whisper_contract.reasons import reason_for_exit_code
from whisper_contract.termination import TerminationMessage
from whisper_operator.api.reasons import Finding, Reason
from whisper_operator.api.status import Artifact
from whisper_operator.local.children import Child, find_program
from whisper_operator.local.plan import Serving
from whisper_operator.local.ports import Ports
from whisper_operator.local.telling import Teller

SERVER = "whisper-server"

_QUIET = ("debug", "info")
#: Beyond the time that it gives to its calls.
_END_SECONDS = 30.0
_READ_THE_LOG = "Read what it said above."


class ServerProcess:
    """One run of whisper-server."""

    def __init__(self, model: str, artifact: Artifact, serving: Serving, teller: Teller) -> None:
        self.artifact = artifact
        self.serving = serving
        self.ready = asyncio.Event()
        #: What its page to try the model is asked for with; None where there is none.
        self.page_scheme: str | None = None
        self._model = model
        self._teller = teller
        self._child: Child | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="whisper-up-")
        self._termination_log = Path(self._folder.name, "termination-log")

    async def start(self, host: str, ports: Ports, store: Path) -> None:
        """Start it on these ports, beside a predecessor that may have them still.

        Raises:
            ProgramMissingError: when the server is not installed.
        """
        self._termination_log.touch()
        command = [
            find_program(SERVER),
            *("--model", str(store / self.artifact.path)),
            *self.serving.arguments,
            *("--host", host, "--share-ports", "--log-format", "json"),
            *("--grpc-port", str(ports.grpc), "--http-port", str(ports.http), "--probe-port", str(ports.probe)),
            *("--termination-log", str(self._termination_log)),
        ]
        self._child = await Child.start(command, self.serving.environment, self._on_output, self._on_error)

    @property
    def ended(self) -> "asyncio.Task[int]":
        """The exit code, once there is one."""
        assert self._child is not None, "it has been started"  # noqa: S101
        return self._child.ended

    async def drain(self) -> None:
        """Let it finish its calls and streams, and return when it has ended."""
        seconds = _grace_seconds(self.serving) + _END_SECONDS
        if self._child is not None:
            await self._child.end(seconds)
        self._folder.cleanup()

    def hurry(self) -> None:
        """End it at once: it takes a second signal as that."""
        if self._child is not None:
            self._child.ask_to_end()

    async def kill(self) -> None:
        """End one that nobody uses."""
        if self._child is not None:
            await self._child.end(0)
        self._folder.cleanup()

    def failure(self) -> Finding:
        """Return why it has ended, or does not become ready."""
        if not self.ended.done():
            seconds = self.serving.deadline_seconds
            return Finding(Reason.SERVERS_UNAVAILABLE, f"the server has not become ready in {seconds} s", _READ_THE_LOG)
        exit_code = self.ended.result()
        with suppress(OSError):
            message = TerminationMessage.parse(self._termination_log.read_text(encoding="utf-8", errors="replace"))
            if message is not None:
                return Finding(message.reason, message.message)
        told = f"the signal {signal.Signals(-exit_code).name}" if exit_code < 0 else f"code {exit_code}"
        reason = reason_for_exit_code(exit_code) or Reason.SERVERS_UNAVAILABLE
        return Finding(reason, f"the server ended with {told}", _READ_THE_LOG)

    def forget(self) -> None:
        """Remove what one that has ended by itself leaves behind."""
        self._folder.cleanup()

    def _on_output(self, line: str) -> None:
        self._teller.tell(line, self._model)

    def _on_error(self, line: str) -> None:
        record = _record(line)
        if "grpc_port" in record:
            self.page_scheme = record.get("page")
            self.ready.set()
        level, text = str(record.get("level", "")).lower(), str(record.get("message", line))
        self._teller.tell(text if level in _QUIET or not level else f"{level}: {text}", self._model)


def _record(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _grace_seconds(serving: Serving) -> float:
    """Return how long the server gives its calls, as its arguments say."""
    return float(serving.arguments[serving.arguments.index("--grace-seconds") + 1])


async def first_of(*waiting: "Coroutine[Any, Any, Any] | asyncio.Task[Any]", timeout: float | None = None) -> None:  # noqa: ASYNC109
    """Return when one of these is done, or the time is over; coroutines that are not are cancelled, tasks go on."""
    own = [asyncio.create_task(one) for one in waiting if not isinstance(one, asyncio.Task)]
    tasks = [one for one in waiting if isinstance(one, asyncio.Task)]
    try:
        await asyncio.wait([*own, *tasks], timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in own:
            task.cancel()
