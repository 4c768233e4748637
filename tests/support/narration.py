"""Telling a person what happens: numbered steps with their times, on standard output."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Narrator:
    """Prints steps as they begin and their times as they end."""

    began: float = field(default_factory=time.monotonic)
    steps: int = 0

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Announce a step; say how long it took, or that it failed, when it ends."""
        self.steps += 1
        began = time.monotonic()
        print(f"\n[{self.steps}] {title}", flush=True)
        try:
            yield
        except BaseException:
            print(f"    failed after {time.monotonic() - began:.1f} s", flush=True)
            raise
        print(f"    done in {time.monotonic() - began:.1f} s", flush=True)

    def say(self, text: str) -> None:
        """Print lines that belong to the step, indented."""
        for line in text.splitlines():
            print(f"    {line}", flush=True)
        sys.stdout.flush()

    @property
    def seconds(self) -> float:
        """Seconds since the narration began."""
        return time.monotonic() - self.began
