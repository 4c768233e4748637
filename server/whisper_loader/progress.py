"""How far a step has come: a bar for people on a terminal, the contract's line once a second for everybody else."""

import sys
import time
from collections.abc import Callable
from typing import Any, Protocol, Self, TextIO

from tqdm import tqdm

from whisper_contract.progress import Progress
from whisper_loader.deadline import Deadline

_INTERVAL_SECONDS = 1.0


class Display(Protocol):
    """Where progress is shown."""

    def show(self, bytes_done: int, bytes_total: int | None) -> None:
        """Called after each piece of work."""

    def close(self, bytes_done: int, bytes_total: int | None) -> None:
        """Called once, at the end."""


class LineDisplay:
    """Writes the contract's progress line, at most once a second, and once at the end."""

    def __init__(self, step: str, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._step = step
        self._stream = stream
        self._clock = clock
        self._last_time = clock()
        self._last_bytes = 0
        self._rate = 0

    def show(self, bytes_done: int, bytes_total: int | None) -> None:
        elapsed = self._clock() - self._last_time
        if elapsed >= _INTERVAL_SECONDS:
            self._rate = int((bytes_done - self._last_bytes) / elapsed)
            self._last_time, self._last_bytes = self._clock(), bytes_done
            self._write(bytes_done, bytes_total)

    def close(self, bytes_done: int, bytes_total: int | None) -> None:
        if bytes_total is not None:  # otherwise the step found nothing to do
            self._write(bytes_done, bytes_total)

    def _write(self, bytes_done: int, bytes_total: int | None) -> None:
        print(Progress(self._step, bytes_done, bytes_total, self._rate).format(), file=self._stream, flush=True)


class BarDisplay:
    """Draws a bar on a terminal, from the first piece of work on: what is said before that has lines of its own."""

    def __init__(self, step: str, stream: TextIO) -> None:
        self._step = step
        self._stream = stream
        self._bar: tqdm[Any] | None = None

    def show(self, bytes_done: int, bytes_total: int | None) -> None:
        if self._bar is None:
            self._bar = tqdm(
                desc=self._step, file=self._stream, unit="B", unit_scale=True, unit_divisor=1024, leave=False
            )
        self._bar.total = bytes_total
        self._bar.update(bytes_done - self._bar.n)

    def close(self, bytes_done: int, bytes_total: int | None) -> None:
        if self._bar is not None:
            self.show(bytes_done, bytes_total)
            self._bar.close()


class Meter:
    """Counts the bytes of one step. Every byte passes here, so this is also where the deadline is noticed."""

    def __init__(self, display: Display, deadline: Deadline) -> None:
        self._display = display
        self._deadline = deadline
        self._done = 0
        self._total: int | None = None

    def start(self, total: int | None) -> None:
        """Tell how many bytes there are in all, once that is known."""
        self._total = total

    def advance(self, count: int) -> None:
        """Count `count` more bytes.

        Raises:
            LoaderError: DeadlineExceeded.
        """
        self._done += count
        self._display.show(self._done, self._total)
        self._deadline.check()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Show where the step ended, whether it succeeded or not."""
        self._display.close(self._done, self._total)


class Reporter:
    """Makes a meter for each step of one command."""

    def __init__(self, stream: TextIO, deadline: Deadline) -> None:
        self._stream = stream
        self.deadline = deadline

    def meter(self, step: str) -> Meter:
        """Return a meter that shows a bar when the stream is a terminal, and writes lines when it is not."""
        if self._stream.isatty():
            return Meter(BarDisplay(step, self._stream), self.deadline)
        return Meter(LineDisplay(step, self._stream), self.deadline)


def for_people(deadline: Deadline | None = None) -> Reporter:
    """Return the reporter of a command that a person runs: standard output is for the result."""
    return Reporter(sys.stderr, deadline or Deadline())


def for_job(deadline: Deadline | None = None) -> Reporter:
    """Return the reporter of a step in a pod, whose standard output the operator reads."""
    return Reporter(sys.stdout, deadline or Deadline())
