"""Looks after a file of WhisperModels: reads it again when it changes, and ends everything on a signal."""

import asyncio
import contextlib
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from whisper_operator.local.children import ProgramMissingError
from whisper_operator.local.content import Content, ContentError, read_content
from whisper_operator.local.model import Machine, ModelRunner
from whisper_operator.local.objects import write_objects
from whisper_operator.local.plan import Places, Plan, notes, plan
from whisper_operator.local.ports import Ports, choose, is_free
from whisper_operator.local.pulling import Loader, PullError
from whisper_operator.local.record import Record
from whisper_operator.local.telling import Teller

_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says.

    Attributes:
        fixed_ports: by the names of WhisperModels.
    """

    file: Path
    places: Places
    host: str
    fixed_ports: Mapping[str, Ports]


class Supervisor:
    """One run of `up`."""

    def __init__(self, options: Options, record: Record, teller: Teller) -> None:
        self._options = options
        self._teller = teller
        loader = Loader(options.places.store, record.key, teller)
        self._machine = Machine(options.host, options.places.store, loader, record, teller, self._choose_ports)
        self._runners: dict[str, tuple[ModelRunner, asyncio.Task[None]]] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._text: bytes | None = None

    async def pull_all(self, content: Content) -> int:
        """Pull every model once, print where each is, and return the first exit code that is not 0."""
        write_objects(self._options.places.objects, content)
        exit_code = 0
        for declared in content.models:
            wanted = plan(declared, self._options.places)
            if wanted.problem is not None:
                self._teller.tell(f"{wanted.problem.reason}: {wanted.problem.message}", wanted.name)
                exit_code = exit_code or 1
            if wanted.pull is None:
                if wanted.problem is None:
                    self._teller.tell("nothing is pulled: the file pauses it, or names what is there", wanted.name)
                continue
            try:
                artifact = await self._machine.loader.pull(wanted.name, wanted.pull)
            except (PullError, ProgramMissingError) as error:
                failed_with, reason = (
                    (error.exit_code, f"{error.finding.reason}: ") if isinstance(error, PullError) else (1, "")
                )
                self._teller.tell(f"{reason}{error}", wanted.name)
                exit_code = exit_code or failed_with
            else:
                print(f"{wanted.name}  {artifact.digest}  {self._options.places.store / artifact.path}")  # noqa: T201
        return exit_code

    async def run(self, content: Content) -> None:
        """Run the models until a signal: the first lets all calls finish, the second does not."""
        first, second = asyncio.Event(), asyncio.Event()

        def notice() -> None:
            (second if first.is_set() else first).set()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, notice)
        self._text = self._read()
        self._apply(content)
        while not first.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(first.wait(), _LOOK_SECONDS)
            self._follow()
        self._teller.tell("ending: calls and live streams are finished first; a second Ctrl-C ends at once")
        ending = asyncio.create_task(self._stop(list(self._runners.values())))
        hurrying = asyncio.create_task(second.wait())
        await asyncio.wait([ending, hurrying], return_when=asyncio.FIRST_COMPLETED)
        hurrying.cancel()
        if not ending.done():
            for runner, _ in self._runners.values():
                runner.hurry()
            await ending
        await asyncio.gather(*self._leaving)

    def _follow(self) -> None:
        """Carry out what the file says, if it has changed and is right."""
        text = self._read()
        if text == self._text:
            return
        self._text = text
        try:
            content = read_content(self._options.file)
        except ContentError as error:
            for problem in error.problems:
                self._teller.tell(problem)
            self._teller.tell(f"{self._options.file} has changed and cannot be used: what ran before runs on")
            return
        self._teller.tell(f"{self._options.file} has changed")
        self._apply(content)

    def _read(self) -> bytes | None:
        try:
            return self._options.file.read_bytes()
        except OSError:
            return None

    def _apply(self, content: Content) -> None:
        write_objects(self._options.places.objects, content)
        if content.unused:
            self._teller.tell(f"of no effect on one machine: {', '.join(content.unused)}")
        for name in self._options.fixed_ports.keys() - {declared.name for declared in content.models}:
            self._teller.tell(f"of no effect: --ports {name}=…: the file has no WhisperModel of this name")
        for declared in content.models:
            for note in notes(declared):
                self._teller.tell(note, declared.name)
            self._want(plan(declared, self._options.places))
        wanted = {declared.name for declared in content.models}
        for name in self._runners.keys() - wanted:
            self._teller.tell("is not in the file any more; its artifacts stay in the store", name)
            leaving = self._runners.pop(name)
            task = asyncio.create_task(self._stop([leaving]))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    def _want(self, wanted: Plan) -> None:
        known = self._runners.get(wanted.name)
        if known is not None:
            known[0].want(wanted)
            return
        runner = ModelRunner(wanted, self._machine)
        self._runners[wanted.name] = (runner, asyncio.create_task(self._run(runner)))

    async def _run(self, runner: ModelRunner) -> None:
        """Run one model; a defect of ours ends this one alone, and is told."""
        try:
            await runner.run()
        except Exception as error:  # noqa: BLE001 - it would be noticed by nobody
            self._teller.tell(f"InternalError: {type(error).__name__}: {error}. Please report it.", runner.name)

    async def _stop(self, runners: "list[tuple[ModelRunner, asyncio.Task[None]]]") -> None:
        for _, task in runners:
            task.cancel()
        await asyncio.gather(*(task for _, task in runners), return_exceptions=True)
        await asyncio.gather(*(runner.stop() for runner, _ in runners))

    def _choose_ports(self, name: str) -> Ports:
        given = [runner.ports for runner, _ in self._runners.values() if runner.ports is not None]
        reserved = [ports for other, ports in self._options.fixed_ports.items() if other != name]
        return choose(
            name,
            self._options.fixed_ports.get(name),
            [*given, *reserved],
            lambda port: is_free(self._options.host, port),
        )
