"""Long-running processes that a benchmark asks and measures: they answer a line of JSON with a line of JSON."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Asked:
    """A process of this project's benchmarks that answers questions.

    Attributes:
        process: its end of the pipes.
    """

    process: subprocess.Popen[str]

    def ask(self, question: object) -> Any:
        """Return the answer; an EOFError when the process has ended instead."""
        assert self.process.stdin is not None, "it was asked for"
        print(json.dumps(question), file=self.process.stdin, flush=True)
        return json.loads(self.read_line())

    def read_line(self) -> str:
        """Return the next line that it prints."""
        assert self.process.stdout is not None, "it was asked for"
        line = self.process.stdout.readline()
        if not line:
            raise EOFError(f"{self.process.args!r} ended with {self.process.wait()}")
        return line


@contextmanager
def running(
    command: Sequence[object], env: Mapping[str, str] | None = None, log: IO[bytes] | None = None
) -> Iterator[Asked]:
    """Run `command` with pipes to it; behind the block its input ends, and a signal tells it to end too."""
    arguments = [str(part) for part in command]
    environment = {**os.environ, **(env or {})}
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
    ) as process:
        try:
            yield Asked(process)
        finally:
            assert process.stdin is not None, "it was asked for"
            process.stdin.close()
            process.terminate()


@contextmanager
def module(name: str, *arguments: object) -> Iterator[Asked]:
    """Run a module of the benchmarks as a program."""
    with running([sys.executable, "-m", f"benchmarks.{name}", *arguments]) as asked:
        yield asked


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used so far, user and system, of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def reset_peak_memory(pid: int) -> None:
    """Let the peak of a process's memory begin anew (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_memory_bytes(pid: int) -> int:
    """Return the most memory that a process has held since the last reset (VmHWM)."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) * 1024
