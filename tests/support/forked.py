"""whisper-model as a process that need not import everything first: half of a short command's time is imports.

A fork server (https://docs.python.org/3/library/multiprocessing.html#contexts-and-start-methods) imports the loader and
the libraries behind it once; each command is a fork of it, with an environment, output, signals and exit code of its
own. The console script itself is what the tests of kills, mounts and terminals start.
"""

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path

from whisper_loader.cli import main
from whisper_loader.transfer import retry

# Half a second in what people run: tests/unit/loader/test_retry.py.
_FIRST_PAUSE_SECONDS = 0.02

# Nothing that reads the environment when imported, as the Hub's client does, and Google's of a machine's metadata.
_IMPORTED_ONCE = [
    "tests.support.forked",
    "whisper_loader.model.convert",
    "whisper_loader.sources.s3.source",
    "whisper_loader.sources.web.source",
    "whisper_loader.sources.oci.source",
    *("cryptography.x509", "google.auth.external_account", "numpy", "requests"),
    *("filelock", "httpcore2", "httpx2", "tqdm.auto", "yaml"),  # Of the Hub's client.
]


class TookTooLongError(AssertionError):
    """A command did not end in time."""


def run_forked(arguments: Sequence[str], environment: Mapping[str, str], timeout: float) -> tuple[int, str, str]:
    """Run ``whisper-model`` with `arguments`; return its exit code, output and errors."""
    with tempfile.TemporaryDirectory(prefix="whisper-forked-") as folder:
        output, errors = Path(folder, "output"), Path(folder, "errors")
        process = _server().Process(target=_run, args=(list(arguments), dict(environment), output, errors))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise TookTooLongError(f"whisper-model {' '.join(arguments)}: still running after {timeout} s")
        return process.exitcode, output.read_text(), errors.read_text()


@cache
def _server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_IMPORTED_ONCE)
    return context


def _run(arguments: Sequence[str], environment: Mapping[str, str], output: Path, errors: Path) -> None:
    """Become the command, which waits for a source as often as it always does, but not as long."""
    retry.FIRST_PAUSE_SECONDS = _FIRST_PAUSE_SECONDS
    os.environ.clear()
    os.environ.update(environment)
    for path, descriptor in ((output, sys.stdout.fileno()), (errors, sys.stderr.fileno())):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(opened, descriptor)
        os.close(opened)
    sys.exit(main(arguments))
