"""Runs a program that takes a while, and shows how it gets on."""

import os
import subprocess
from collections import deque
from collections.abc import Mapping, Sequence

from tests.cluster.console import ProgressLine
from tests.cluster.errors import ClusterError
from tests.cluster.processes import ended_with_us

_TAIL_LINES = 25


def run_step(command: Sequence[str], *, what: str, environment: Mapping[str, str] | None = None) -> str:
    """What `command` prints on standard output; its latest line is shown meanwhile.

    Raises:
        ClusterError: It failed; with its last lines.
    """
    progress, tail, printed = ProgressLine(), deque[str](maxlen=_TAIL_LINES), list[str]()
    process = subprocess.Popen(
        command,
        env=os.environ | dict(environment or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        process_group=0,
    )
    with ended_with_us(process), process:
        for line in process.stdout or ():
            tail.append(line)
            printed.append(line)
            progress.show(f"{what}: {line.strip()[:90]}")
    progress.clear()
    if process.returncode:
        raise ClusterError(f"{what} failed: {' '.join(command)}\n{''.join(tail)}")
    return "".join(printed)
