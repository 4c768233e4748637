"""The command whisper-model as a process, and what it leaves behind."""

import json
import os
import subprocess
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.forked import start_forked
from whisper_contract.progress import Progress
from whisper_contract.reasons import FAILURES, Reason
from whisper_contract.termination import TerminationMessage
from whisper_loader.cli import main
from whisper_loader.transfer import retry

COMMAND = Path(sysconfig.get_path("scripts"), "whisper-model")
JOB_UID = "5b2c6f0e-job"
POD_UID = "77d0a1c4-pod"
_TIMEOUT_SECONDS = 240

# Half a second in what people run: tests/unit/loader/test_retry.py.
_FIRST_PAUSE_SECONDS = 0.02

# Nothing that reads the environment when imported, as the Hub's client does, and Google's of a machine's metadata.
_IMPORTED_ONCE = (
    "tests.support.loader",
    "whisper_loader.model.convert",
    "whisper_loader.sources.s3.source",
    "whisper_loader.sources.web.source",
    "whisper_loader.sources.oci.source",
    *("cryptography.x509", "google.auth.external_account", "numpy", "requests"),
    *("filelock", "httpcore2", "httpx2", "tqdm.auto", "yaml"),  # Of the Hub's client.
)


@dataclass(frozen=True)
class Done:
    """A process that has ended."""

    exit_code: int
    output: str
    errors: str

    @property
    def json(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.output)
        return document

    @property
    def progress(self) -> list[Progress]:
        return [found for line in self.output.splitlines() if (found := Progress.parse_line(line)) is not None]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment without anybody's credentials or settings, and with `extra`."""
    own = {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ}
    # No instance metadata service answers here, and looking for one takes seconds.
    return {**own, "HOME": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true", **(extra or {})}


def whisper_model(*arguments: str | Path, env: Mapping[str, str] | None = None, **options: Any) -> Done:
    """Run the command to its end; with `options`, which are subprocess.run's, by its console script."""
    if not options:
        return _forked(list(map(str, arguments)), environment(env))
    done = subprocess.run(
        [COMMAND, *map(str, arguments)],
        env=environment(env),
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIMEOUT_SECONDS,
        **options,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def _forked(arguments: Sequence[str], its_environment: Mapping[str, str]) -> Done:
    with tempfile.TemporaryDirectory(prefix="whisper-forked-") as folder:
        output, errors = Path(folder, "output"), Path(folder, "errors")
        process = start_forked(
            _impatient_main, arguments, its_environment, output=output, errors=errors, imported_once=_IMPORTED_ONCE
        )
        process.join(_TIMEOUT_SECONDS)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise AssertionError(f"whisper-model {' '.join(arguments)}: still running after {_TIMEOUT_SECONDS} s")
        return Done(process.exitcode, output.read_text(), errors.read_text())


def _impatient_main(arguments: Sequence[str]) -> int:
    """Be the command, which waits for a source as often as it always does, but not as long."""
    retry.FIRST_PAUSE_SECONDS = _FIRST_PAUSE_SECONDS
    return main(arguments)


@dataclass(frozen=True)
class Job:
    """A Job's pod without Kubernetes: runs the steps, keeps the termination message of the last."""

    store: Path
    log: Path
    job_uid: str = JOB_UID
    pod_uid: str = POD_UID

    @property
    def env(self) -> dict[str, str]:
        return {
            "WHISPER_JOB_UID": self.job_uid,
            "WHISPER_POD_UID": self.pod_uid,
            "WHISPER_TERMINATION_LOG": str(self.log),
        }

    @property
    def staging(self) -> Path:
        return self.store / "staging" / self.job_uid

    def step(self, step: str, *arguments: str | Path, env: Mapping[str, str] | None = None, **options: Any) -> Done:
        """Run one step as its container does."""
        self.log.unlink(missing_ok=True)
        command = ("job", step, *arguments, "--store", self.store)
        return whisper_model(*command, env={**self.env, **(env or {})}, **options)

    def resolve(self, *arguments: str | Path) -> Done:
        """Ask what a source holds: the one step that has no store."""
        self.log.unlink(missing_ok=True)
        return whisper_model("job", "resolve", *arguments, env=self.env)

    def message(self) -> TerminationMessage:
        """Return the message that the last step has left; AssertionError when it left none."""
        message = TerminationMessage.parse(self.log.read_text())
        assert message is not None
        return message

    def fails(
        self, reason: Reason, step: str, *arguments: str | Path, never_told: Sequence[str] = (), **options: Any
    ) -> str:
        """Run a step that must fail for `reason`, in all the ways that a step says so; return its sentence.

        `never_told` are secrets that must stand in no output.
        """
        done = self.step(step, *arguments, **options)
        assert done.exit_code == FAILURES[reason].exit_code, done.errors
        message = self.message()
        assert (message.step, message.reason) == (step, reason)
        assert f"{reason}: {message.message}" in done.errors
        assert FAILURES[reason].next_step in done.errors
        assert "Traceback" not in done.errors
        assert not [secret for secret in never_told if secret in done.errors + done.output + self.log.read_text()]
        assert not self.staging.exists(), "a failed step gives the space back"
        assert not list(self.store.glob("artifacts/*")), "nothing is published"
        return message.message
