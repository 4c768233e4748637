"""`make soak`: every kind of call, decent and hostile, against a real server for as long as one likes.

It ends after the minutes or the calls it is given, prints what the server holds over time, and fails when its memory
grows, when a decent call is answered wrongly, or when the log tells of a defect.
"""

import argparse
import asyncio
import itertools
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.soak.ways import WAYS
from tests.support.held import Held
from tests.support.models import RECORDINGS, SPEECH_MODEL, publish
from tests.unit.server.hostile import Target, attacked, is_defect, target_of
from tests.unit.server.process import ServerProcess

MIB = 1024 * 1024
#: How much more memory the last quarter may hold than the second: the first one fills caches.
GROWTH_BYTES = 32 * MIB
DECENT, HOSTILE = 6, 2


@dataclass
class Soak:
    """A soak under way.

    Attributes:
        end: `time.monotonic()` at which it ends.
        calls: how many may still be made.
        answers: how calls were answered.
        expected: what each way makes of each recording, by its first answer.
        wrong: what went wrong.
    """

    target: Target
    end: float
    calls: int
    answers: Counter[str] = field(default_factory=Counter)
    expected: dict[tuple[str, str], str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def goes_on(self) -> bool:
        """Return whether one more call is to be made, and count it."""
        self.calls -= 1
        return self.calls >= 0 and time.monotonic() < self.end and not self.wrong

    async def use(self, recordings: Sequence[Path], source: random.Random) -> None:
        """Call decently until the end."""
        while self.goes_on():
            way, recording = source.choice(WAYS), source.choice(recordings)
            text = (await way(self.target, recording.read_bytes())).strip()
            self.answers[f"{way.__name__}: OK"] += 1
            if text != self.expected.setdefault((way.__name__, recording.name), text):
                self.wrong.append(f"{way.__name__} of {recording.name} said {text!r}, and another thing before")

    async def abuse(self, source: random.Random) -> None:
        """Send hostile inputs until the end."""
        while self.goes_on():
            answer = await attacked(self.target, source)
            self.answers[answer] += 1
            if is_defect(answer):
                self.wrong.append(answer)


async def soak(server: ServerProcess, minutes: float, calls: int) -> tuple[Soak, list[Held]]:
    """Call the server from many sides, and return how it went and what it held meanwhile."""
    recordings = sorted(RECORDINGS.glob("en-*.flac"))
    held: list[Held] = []
    async with target_of(server) as target, asyncio.TaskGroup() as group:
        run = Soak(target, time.monotonic() + minutes * 60, calls)
        seeds = itertools.count()
        users = [group.create_task(run.use(recordings, random.Random(next(seeds)))) for _ in range(DECENT)]
        users += [group.create_task(run.abuse(random.Random(next(seeds)))) for _ in range(HOSTILE)]
        pause = min(10.0, minutes * 60 / 24)
        began = time.monotonic()
        while not all(user.done() for user in users):
            await asyncio.wait(users, timeout=pause)
            held.append(Held.by(server.process.pid))
            tell(time.monotonic() - began, held[-1], run.answers)
    return run, held


def tell(seconds: float, held: Held, answers: Counter[str]) -> None:
    """Print one line of the table."""
    megabytes = held.resident_bytes / MIB
    print(
        f"{seconds:8.0f} s {megabytes:9.1f} MiB {held.threads:5} threads {held.files:5} files {answers.total():8} calls"
    )


def growth(held: Sequence[Held]) -> int:
    """Return by how many bytes the last quarter of the time held more than the second.

    The least of each quarter counts: what calls at work hold comes and goes, what is kept for ever does not.
    """
    quarter = max(1, len(held) // 4)
    second, last = held[quarter : 2 * quarter] or held, held[-quarter:]
    return min(one.resident_bytes for one in last) - min(one.resident_bytes for one in second)


def defects(server: ServerProcess) -> list[str]:
    """Return the lines of the log that tell of one."""
    return [line for line in server.log.splitlines() if '"ERROR"' in line or '"CRITICAL"' in line]


def main() -> int:
    """Run it, and return the exit code."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--calls", type=int, default=100_000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        artifact = publish(SPEECH_MODEL, Path(folder, "store"))
        arguments: list[Any] = ["--model", str(artifact), "--device", "cpu", "--cpu-threads", "1"]
        with ServerProcess(Path(folder), *arguments) as server:
            run, held = asyncio.run(soak(server, chosen.minutes, chosen.calls))
            troubles = [*run.wrong, *defects(server)]
    for answer, times in sorted(run.answers.items()):
        print(f"{times:8} {answer}")
    grown = growth(held)
    print(f"memory grew by {grown / MIB:.1f} MiB from the second quarter of the time to the last")
    if grown > GROWTH_BYTES:
        troubles.append(f"memory grew by more than {GROWTH_BYTES / MIB:.0f} MiB")
    for trouble in troubles:
        print(f"soak: {trouble[:2_000]}", file=sys.stderr)
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main())
