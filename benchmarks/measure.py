"""What a command costs: wall and CPU time, peak memory and bytes written, told by the kernel of the ended process.

The command is started by a helper, this file run as a program. A process inherits the peak memory of the one that
forked it, so that a child of a large benchmark would look large; the helper has 16 MiB, and less is never told.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run cost, with the processes that the command started and waited for.

    Attributes:
        wall: seconds from start to end.
        cpu: seconds of all processors, user and system.
        peak_rss_bytes: of the largest single process (VmHWM).
        bytes_written: to disks, as the file systems count them; nothing is counted on tmpfs.
    """

    wall: float
    cpu: float
    peak_rss_bytes: int
    bytes_written: int


class CommandError(Exception):
    """A command that was to be measured failed; the text holds the end of what it said."""


def run(command: Sequence[str], env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Measured:
    """Run `command` to its end and return what it cost; what it prints is dropped.

    What earlier runs have left to write goes to the disk first, so that they do not slow this one.

    Raises:
        CommandError: when it exits with anything but 0.
    """
    os.sync()
    with tempfile.TemporaryDirectory() as folder:
        report, log = Path(folder, "report"), Path(folder, "log")
        helper = [sys.executable, "-I", "-S", __file__, str(report), *command]
        with log.open("wb") as output:
            done = subprocess.run(helper, env=env, cwd=cwd, stdout=output, stderr=output, check=False)
        if done.returncode != 0:
            raise CommandError(f"{command[0]} exited with {done.returncode}: {log.read_text(errors='replace')[-2000:]}")
        return Measured(**json.loads(report.read_bytes()))


def interleaved(
    contestants: Mapping[str, Callable[[], Measured]], rounds: int, say: Callable[[str], None]
) -> dict[str, Measured]:
    """Run each contestant once a round, so that a machine whose speed drifts is unfair to none; return the medians."""
    found: dict[str, list[Measured]] = {name: [] for name in contestants}
    for number in range(1, rounds + 1):
        for name, measure in contestants.items():
            found[name].append(measure())
            say(f"round {number} of {rounds}: {name}: {found[name][-1].wall:.1f} s")
    return {name: median(runs) for name, runs in found.items()}


def median(runs: Sequence[Measured]) -> Measured:
    """Return the median times, and the largest memory and bytes."""
    return Measured(
        wall=statistics.median(run.wall for run in runs),
        cpu=statistics.median(run.cpu for run in runs),
        peak_rss_bytes=max(run.peak_rss_bytes for run in runs),
        bytes_written=max(run.bytes_written for run in runs),
    )


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, its first column left-aligned and the others right-aligned."""
    lines = [headers, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headers))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]

    def aligned(line: Sequence[str]) -> str:
        cells = [
            line[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)),
        ]
        return f"| {' | '.join(cells)} |"

    return "\n".join(aligned(line) for line in (headers, rule, *rows))


def machine() -> str:
    """Return one line on where and when this runs: processors, memory, Python, date."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    model = models[0].partition(":")[2].strip() if models else os.uname().machine
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    cores = len(os.sched_getaffinity(0))
    python = ".".join(map(str, sys.version_info[:3]))
    return f"{model}, {cores} cores, {memory:.0f} GiB memory, Python {python}, {datetime.now(UTC):%Y-%m-%d}"


def _measure(report: Path, command: list[str]) -> int:
    """The helper: run the command, write what it cost, return its exit code."""
    started = time.monotonic()
    process = os.posix_spawnp(command[0], command, os.environ)
    os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
    wall = time.monotonic() - started
    # Only before the process is reaped can it be asked what it wrote.
    counters = dict(line.split(": ") for line in Path(f"/proc/{process}/io").read_text().splitlines())
    _, status, usage = os.wait4(process, 0)
    cpu = usage.ru_utime + usage.ru_stime
    measured = Measured(wall, cpu, usage.ru_maxrss * 1024, int(counters["write_bytes"]))
    report.write_text(json.dumps(asdict(measured)))
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(_measure(Path(sys.argv[1]), sys.argv[2:]))
