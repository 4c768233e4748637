"""What the harness tells people: one line a step on standard error, so that standard output stays for answers."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


def say(text: str) -> None:
    print(f"cluster: {text}", file=sys.stderr, flush=True)


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Says `what` with the seconds it took, once it has succeeded."""
    begin = time.monotonic()
    yield
    say(f"{what} ({time.monotonic() - begin:.1f} s)")


class ProgressLine:
    """A line that is written over on a terminal, and repeated every 15 s where there is none (a CI log)."""

    REPEAT_SECONDS = 15.0

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._begin = self._shown = time.monotonic()

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._begin

    def show(self, text: str) -> None:
        line = f"cluster:   {text}, {self.elapsed:.0f} s"
        if self._terminal:
            print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - self._shown >= self.REPEAT_SECONDS:
            self._shown = time.monotonic()
            print(line, file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
