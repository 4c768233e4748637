"""Brings a model into the store: the steps of a pull Job, one process each, with the messages that pods leave."""

import asyncio
import signal
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from whisper_contract.progress import Progress
from whisper_contract.reasons import EXIT_RETRY, FAILURES, reason_for_exit_code
from whisper_contract.reasons import Reason as LoaderReason
from whisper_contract.store import ARTIFACTS, JOB_UID_VARIABLE, POD_UID_VARIABLE
from whisper_contract.termination import TerminationMessage
from whisper_operator.api.reasons import Finding, Reason, explain
from whisper_operator.api.status import Artifact
from whisper_operator.builders.job import CONVERT, PUBLISH, PULL
from whisper_operator.local.children import Child, find_program
from whisper_operator.local.plan import Pull
from whisper_operator.local.telling import Teller

LOADER = "whisper-model"

_TERMINATION_LOG_VARIABLE = "WHISPER_TERMINATION_LOG"
_STEPS = {PULL: Reason.PULLING, CONVERT: Reason.CONVERTING, PUBLISH: Reason.PUBLISHING}
#: All attempts go on in one folder of the store, as the pods of one Job do.
_POD = "up"
#: For a step to put away what it cannot go on with.
_END_SECONDS = 30.0
_LAST_WORDS = 3
_FREE_MEMORY = "Free memory, or choose a smaller model."
#: Where the next step is another one than in a cluster.
_ADVICE: dict[str, str] = {
    LoaderReason.SECRET_NOT_FOUND: (
        "Add it to the file as a document of kind Secret, or as a folder of that name below --secrets. Without "
        "secretRef your own login is used (AWS_* variables, ~/.aws, HF_TOKEN …)."
    ),
    LoaderReason.OUT_OF_SPACE: "Make room where the message says, or name another place with --data.",
    LoaderReason.CLAIM_NOT_WRITABLE: "Make what the message names writable for you, or name another place with --data.",
    LoaderReason.SOURCE_UNREACHABLE: "Check the endpoint, DNS and the proxy (HTTPS_PROXY, or pull.proxy).",
    LoaderReason.OUT_OF_MEMORY: _FREE_MEMORY,
}


class PullError(Exception):
    """A step failed."""

    def __init__(self, finding: Finding, exit_code: int) -> None:
        super().__init__(finding.message)
        self.finding = finding
        self.exit_code = exit_code

    @property
    def is_permanent(self) -> bool:
        """Whether the next attempt ends the same way unless a person changes something."""
        failure = next((row for row in FAILURES.values() if row.reason == self.finding.reason), None)
        return failure is not None and failure.permanent


@dataclass(frozen=True, slots=True)
class _Ended:
    exit_code: int
    message: TerminationMessage | None
    last_words: Sequence[str]


class Loader:
    """Runs whisper-model on one store; one at a time, as on a claim, so that nothing is removed beside a pull."""

    def __init__(self, store: Path, key: str, teller: Teller) -> None:
        """Name the store; `key` tells the folders of our pulls from those of others."""
        self._store = store
        self._key = key
        self._teller = teller
        self._one = asyncio.Lock()

    async def pull(self, model: str, pull: Pull) -> Artifact:
        """Bring in what the source holds now, and return it.

        Raises:
            PullError: when a step fails.
            ProgramMissingError: when the loader is not installed.
        """
        async with self._one:
            self._store.mkdir(parents=True, exist_ok=True)
            message = None
            for step, arguments in pull.steps:
                reason = _STEPS[step]
                self._teller.tell(f"{reason}: {pull.shown if step == PULL else explain(reason).message}", model)
                ended = await self._run(model, ["job", step, *arguments], self._environment(pull))
                if ended.exit_code:
                    raise PullError(_failure(step, ended), _shell_code(ended.exit_code))
                message = ended.message
            try:
                return Artifact.from_message(message or TerminationMessage(PUBLISH, "", ""))
            except ValueError as error:
                raise PullError(Finding(LoaderReason.INTERNAL_ERROR, str(error)), EXIT_RETRY) from error

    async def remove(self, digests: Sequence[str]) -> None:
        """Give back the space of these artifacts, and of no others."""
        async with self._one:
            folder = self._store / ARTIFACTS
            kept = sorted(path.name for path in folder.iterdir() if path.name not in digests)
            keep = ["--keep", *kept] if kept else ["--keep-none"]
            arguments = ["gc", "--store", str(self._store), *keep, "--unneeded", *digests]
            ended = await self._run("", arguments, {})
        if ended.exit_code:
            self._teller.tell(f"artifacts that are no longer kept are left in {folder}: {' '.join(ended.last_words)}")

    def _environment(self, pull: Pull) -> dict[str, str]:
        job = f"up-{self._key}-{pull.inputs}"
        return {**pull.environment, JOB_UID_VARIABLE: job, POD_UID_VARIABLE: _POD}

    async def _run(self, model: str, arguments: Sequence[str], environment: dict[str, str]) -> _Ended:
        last_words: list[str] = []

        def on_output(line: str) -> None:
            if (progress := Progress.parse_line(line)) is not None:
                self._teller.progress(model, progress)

        def on_error(line: str) -> None:
            last_words[:] = [*last_words[1 - _LAST_WORDS :], line]

        with tempfile.TemporaryDirectory(prefix="whisper-up-") as folder:
            log = Path(folder, "termination-log")
            command = [find_program(LOADER), *arguments]
            child = await Child.start(
                command, {**environment, _TERMINATION_LOG_VARIABLE: str(log)}, on_output, on_error
            )
            try:
                exit_code = await asyncio.shield(child.ended)
            finally:
                self._teller.clear()
                if not child.ended.done():
                    await child.end(_END_SECONDS)
            return _Ended(exit_code, _read(log), last_words)


def _read(log: Path) -> TerminationMessage | None:
    return TerminationMessage.parse(log.read_text(encoding="utf-8", errors="replace")) if log.exists() else None


def _failure(step: str, ended: _Ended) -> Finding:
    if ended.message is not None:
        return Finding(ended.message.reason, ended.message.message, _ADVICE.get(ended.message.reason))
    if ended.exit_code == -signal.SIGKILL:
        return Finding(LoaderReason.OUT_OF_MEMORY, f"the step {step} was killed, most likely for memory", _FREE_MEMORY)
    reason = reason_for_exit_code(ended.exit_code) or LoaderReason.INTERNAL_ERROR
    words = " ".join(ended.last_words)
    return Finding(reason, f"the step {step} ended with code {ended.exit_code}{f': {words}' if words else ''}")


def _shell_code(exit_code: int) -> int:
    """Return the code as a shell would tell it: of a signal, 128 and its number."""
    return exit_code if exit_code >= 0 else 128 - exit_code
