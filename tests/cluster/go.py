"""Runs the Go tool chain, and shows how a long compilation gets on."""

import os
import shutil
import subprocess
from collections import deque
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from tests.cluster.console import ProgressLine, say
from tests.cluster.errors import ClusterError
from tests.cluster.processes import ended_with_us

# Settings of a developer's own that would change what is built here, or break it.
ENVIRONMENT = {"CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}


@cache
def go_version() -> str:
    return subprocess.run(
        [_go(), "env", "GOVERSION"], check=True, capture_output=True, text=True, env=os.environ | ENVIRONMENT
    ).stdout.strip()


def compile_go(
    arguments: Sequence[str], *, folder: Path, what: str, packages: int, environment: Mapping[str, str] | None = None
) -> None:
    """Runs `go ARGUMENTS` in `folder`.

    Args:
        arguments: The sub-command (build or install) and all that follows it, with `-v`.
        folder: Where the module is.
        what: What is compiled, for people.
        packages: About how many packages that is when nothing is cached, to show a measure of progress.
        environment: Added to the process's own.

    Raises:
        ClusterError: Go is not installed, or the compilation failed; with the compiler's last lines.
    """
    command = [_go(), *arguments]
    progress, tail, compiled = ProgressLine(), deque[str](maxlen=15), 0
    variables = os.environ | ENVIRONMENT | dict(environment or {})
    process = subprocess.Popen(
        command, cwd=folder, env=variables, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, process_group=0
    )
    with ended_with_us(process), process:
        for line in process.stderr or ():
            tail.append(line)
            compiled += _is_package(line)
            progress.show(f"{what}: {compiled} of at most {packages} packages compiled")
    progress.clear()
    if process.returncode:
        raise ClusterError(f"compiling {what} failed: {' '.join(command)}\n{''.join(tail)}")
    say(f"{what}: compiled in {progress.elapsed:.0f} s")


def _go() -> str:
    go = shutil.which("go")
    if go is None:
        raise ClusterError("Go is needed to compile the cluster's programs: install Go 1.25 or newer (go on the PATH)")
    return go


def _is_package(line: str) -> bool:
    """`go build -v` prints one import path a line, among messages such as `go: downloading ...`."""
    return " " not in line.strip()
