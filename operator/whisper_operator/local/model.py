"""Looks after one WhisperModel: pulls what the file asks for while the old serves, and then replaces the server."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from whisper_contract.reasons import Reason as LoaderReason
from whisper_operator.api.reasons import Finding, Reason, explain
from whisper_operator.api.status import Artifact
from whisper_operator.backoff import doubled
from whisper_operator.local.children import ProgramMissingError
from whisper_operator.local.plan import Plan, Pull, Serving
from whisper_operator.local.ports import Ports, PortsError
from whisper_operator.local.pulling import Loader, PullError
from whisper_operator.local.record import Record
from whisper_operator.local.serving import ServerProcess, first_of
from whisper_operator.local.telling import Teller

#: Seconds until the second attempt; each further one takes twice as long to come, until the longest.
_FIRST_PAUSE = {True: 60.0, False: 10.0}
_LONGEST_PAUSE = 600.0
#: A server that ends by itself after this time is started again at once.
_LASTING_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Machine:
    """What all WhisperModels of a file share.

    Attributes:
        choose_ports: returns ports for a name; PortsError when there are none.
    """

    host: str
    store: Path
    loader: Loader
    record: Record
    teller: Teller
    choose_ports: Callable[[str], Ports]


#: What a server is made of.
_Target = tuple[Artifact, Serving]


class ModelRunner:
    """The processes of one WhisperModel. `run` goes on until it is cancelled; `stop` ends what it has started."""

    def __init__(self, first: Plan, machine: Machine) -> None:
        self._plan = first
        self._machine = machine
        self._changed = asyncio.Event()
        self._server: ServerProcess | None = None
        self._starting: ServerProcess | None = None
        self._draining: dict[asyncio.Task[None], ServerProcess] = {}
        self._ports: Ports | None = None
        self._pulled: tuple[Pull, Artifact] | None = None
        self._good: _Target | None = None
        self._rejected: _Target | None = None
        self._failures = 0
        self._crashes = 0
        self._ready_since = 0.0

    @property
    def name(self) -> str:
        return self._plan.name

    @property
    def ports(self) -> Ports | None:
        """The ports that it is served on, or is to be."""
        return self._ports

    def want(self, plan: Plan) -> None:
        """Carry out `plan` from now on, and try again at once what has failed."""
        if plan != self._plan:
            self._rejected = None
        self._plan = plan
        self._failures = 0
        self._changed.set()

    async def run(self) -> None:
        """Look after it until cancelled."""
        while True:
            self._changed.clear()
            pause = await self._visit(self._plan)
            server = [self._server.ended] if self._server is not None else []
            if not self._changed.is_set():
                await first_of(self._changed.wait(), *server, timeout=pause)
            if self._notice_end() and self._crashes > 1:
                pause = doubled(_FIRST_PAUSE[False], self._crashes - 2, _LONGEST_PAUSE)
                self._tell(
                    f"it has ended by itself {self._crashes} times in short order: started again in {pause:.0f} s"
                )
                await first_of(self._changed.wait(), timeout=pause)

    async def stop(self) -> None:
        """Drain what serves, and end what is being started."""
        if self._starting is not None:
            await self._starting.kill()
        self._drain()
        if self._draining:
            await asyncio.wait(self._draining)

    def hurry(self) -> None:
        """End at once what is being drained."""
        for server in self._draining.values():
            server.hurry()

    async def _visit(self, plan: Plan) -> float | None:
        """Bring things nearer to the plan; return the seconds until the next visit, None for when something moves."""
        if plan.paused:
            self._tell(f"{Reason.PAUSED}: {explain(Reason.PAUSED).message}")
            return None
        if plan.problem is not None:
            return self._failed(plan.problem, permanent=True)
        try:
            if self._server is None:
                await self._serve_what_is_known(plan)
            artifact = plan.artifact or await self._artifact(plan)
            if artifact is None:
                return 0.0
            return await self._serve(plan, artifact)
        except PullError as error:
            return self._failed(error.finding, permanent=error.is_permanent)
        except (PortsError, ProgramMissingError) as error:
            return self._failed(Finding(Reason.SERVERS_UNAVAILABLE, str(error), ""), permanent=False)

    async def _serve_what_is_known(self, plan: Plan) -> None:
        """Serve what an earlier run has pulled for the same inputs while the source is asked anew."""
        served = self._machine.record.served(plan.name)
        if plan.pull is None or plan.serving is None or self._pulled is not None or self._failures:
            return
        if served.inputs == plan.pull.inputs and (self._machine.store / served.revisions[0].path).is_dir():
            self._tell("what served last is served while the source is asked what it holds now")
            failure = await self._replace((served.revisions[0], plan.serving), plan)
            if failure is not None:
                self._tell(f"{failure.reason}: {failure.message}")

    async def _artifact(self, plan: Plan) -> Artifact | None:
        """Return what the plan's source holds, pulling it if need be; None when the plan has changed meanwhile."""
        if plan.pull is None:
            return None
        if self._pulled is not None and self._pulled[0] == plan.pull:
            return self._pulled[1]
        pulling = asyncio.create_task(self._machine.loader.pull(plan.name, plan.pull))
        try:
            while not pulling.done():
                server = [self._server.ended] if self._server is not None else []
                await first_of(pulling, self._changed.wait(), *server)
                if self._changed.is_set() and self._plan.pull != plan.pull:
                    self._tell("the file asks for something else by now: this pull ends")
                    return None
                if self._changed.is_set():
                    self._changed.clear()
                if self._notice_end() and self._crashes == 1 and self._good is not None and not pulling.done():
                    await self._replace(self._good, plan)
        finally:
            if not pulling.done():
                pulling.cancel()
                await asyncio.wait([pulling])
        artifact = pulling.result()
        self._tell(f"{Reason.PUBLISHED}: {artifact.digest} ({artifact.quantization}, {_megabytes(artifact)} MB)")
        self._pulled = (plan.pull, artifact)
        self._failures = 0
        return artifact

    async def _serve(self, plan: Plan, artifact: Artifact) -> float | None:
        # The plan may have changed while its source was pulled, in what does not concern the pull.
        serving = self._plan.serving
        if serving is None:
            self._drain()
            self._tell(f"{Reason.SCALED_TO_ZERO}: {explain(Reason.SCALED_TO_ZERO).message}")
            return None
        target = (artifact, serving)
        if target == self._rejected:
            if self._good is None or self._good == target or self._server is not None:
                return None
            target = self._good
        if self._server is not None and (self._server.artifact.key, self._server.serving) == (artifact.key, serving):
            return None
        failure = await self._replace(target, plan)
        if failure is None:
            if target[0] == artifact:
                await self._remember(plan, artifact)
            return None
        if failure.reason == LoaderReason.ARTIFACT_MISSING:
            self._pulled = None
        if self._good in (None, target):
            return self._failed(failure, permanent=False)
        self._rejected = target
        self._tell(f"{failure.reason}: {failure.message} What served before {self._stays}.")
        return 0.0

    @property
    def _stays(self) -> str:
        return "comes back" if self._server is None else "serves on"

    async def _replace(self, target: _Target, plan: Plan) -> Finding | None:
        """Start a server, and end the old one when it is ready; return what kept it from that.

        Without a surge the old one ends first, and comes back when the new one does not become ready.
        """
        artifact, serving = target
        if self._server is not None and not serving.surge:
            self._drain()
            await asyncio.wait(self._draining)
        ports = self._ports = self._ports or self._machine.choose_ports(plan.name)
        self._tell(f"{Reason.ROLLING_OUT}: {artifact.name}")
        server = self._starting = ServerProcess(plan.name, artifact, serving, self._machine.teller)
        await server.start(self._machine.host, ports, self._machine.store)
        await first_of(server.ready.wait(), server.ended, timeout=serving.deadline_seconds)
        self._starting = None
        if not server.ready.is_set():
            failure = server.failure()
            await server.kill()
            return failure
        self._drain()
        self._server, self._good = server, target
        self._failures = 0
        self._ready_since = time.monotonic()
        self._tell(f"{Reason.SERVERS_READY}: {self._address()}")
        if server.page_scheme is not None:
            self._tell(f"try it in a browser: {ports.page_address(self._machine.host, server.page_scheme)}")
        return None

    async def _remember(self, plan: Plan, artifact: Artifact) -> None:
        inputs = plan.pull.inputs if plan.pull is not None else ""
        unneeded = self._machine.record.note(plan.name, inputs, artifact, plan.keep)
        if unneeded:
            await self._machine.loader.remove(unneeded)

    def _notice_end(self) -> bool:
        """Tell of a server that has ended by itself."""
        server = self._server
        if server is None or not server.ended.done():
            return False
        failure = server.failure()
        server.forget()
        self._server = None
        self._crashes = 1 if time.monotonic() - self._ready_since > _LASTING_SECONDS else self._crashes + 1
        if failure.reason == LoaderReason.ARTIFACT_MISSING:
            self._pulled = None
        self._tell(f"{failure.reason}: {failure.message} It is started again.")
        return True

    def _drain(self) -> None:
        """Let the server end when its calls have."""
        if self._server is not None:
            self._tell(f"the server of {self._server.artifact.name} ends when its calls have")
            task = asyncio.create_task(self._server.drain())
            self._draining[task] = self._server
            task.add_done_callback(self._draining.pop)
            self._server = None

    def _failed(self, finding: Finding, *, permanent: bool) -> float:
        """Tell of a failure, and return the pause before the next attempt."""
        pause = doubled(_FIRST_PAUSE[permanent], self._failures, _LONGEST_PAUSE)
        self._failures += 1
        self._tell(f"{finding.reason}: {finding.message} Next attempt in {pause:.0f} s, or when the file changes.")
        return pause

    def _address(self) -> str:
        host, ports = self._machine.host or "0.0.0.0", self._ports  # noqa: S104 - said, not bound
        shown = f"[{host}]" if ":" in host else host
        return (
            ""
            if ports is None
            else f"gRPC on {shown}:{ports.grpc}, HTTP on {shown}:{ports.http}, metrics on {shown}:{ports.probe}"
        )

    def _tell(self, text: str) -> None:
        self._machine.teller.tell(text, self.name)


def _megabytes(artifact: Artifact) -> str:
    return f"{(artifact.size_bytes or 0) / 1e6:.1f}"
