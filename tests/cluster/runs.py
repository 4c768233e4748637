"""The folder of one run (a control plane or a cluster), and the clearing away of those whose starter has died.

A run's folder is named for the process that started it (kind, process id, start time), so from its first instant anyone
can tell whether that process still lives. When it doesn't, what it started is swept, unless the file `detached` says
that it is meant to outlive it (`python -m tests.cluster up`).
"""

import itertools
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from tests.cluster.cache import cache_dir
from tests.cluster.console import say
from tests.cluster.processes import Process, end_all

_DETACHED = "detached"
_numbers = itertools.count(1)


def new_run(kind: str) -> Path:
    """The folder for a run of this process; not made yet."""
    own = Process.of(os.getpid())
    assert own is not None, "this process is there"
    return _runs() / f"{kind}.{own.pid}.{own.began}.{next(_numbers)}"


def detach(run: Path) -> None:
    """From now on the run outlives this process."""
    (run / _DETACHED).touch()


def all_runs(kind: str) -> list[Path]:
    return sorted(_runs().glob(f"{kind}.*"))


def is_leftover(run: Path) -> bool:
    """Whether nobody answers for this run: its starter is gone, and did not leave it running on purpose."""
    _, pid, began, _ = run.name.split(".")
    return not (run / _DETACHED).exists() and not Process(int(pid), int(began)).alive()


def end_run(run: Path) -> None:
    """Ends the run's processes and removes its folder. Safe to repeat."""
    end_all(run)
    shutil.rmtree(run, ignore_errors=True)


def sweep_leftovers(kind: str, sweep: Callable[[Path], None]) -> None:
    """Calls `sweep` for each run of this kind that nobody answers for."""
    for run in filter(is_leftover, all_runs(kind)):
        say(f"clearing away {run.name}, which a run that died has left behind")
        sweep(run)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Holds SIGINT and SIGTERM back until the block has ended, so that clearing away is never left half done."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def termination_unwinds() -> Iterator[None]:
    """Makes SIGTERM raise SystemExit in the block, so that it clears away what Ctrl-C does.

    Only in the main thread, where Python runs signal handlers, and only where nobody else handles the signal.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _exit(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _runs() -> Path:
    path = cache_dir() / "runs"
    path.mkdir(exist_ok=True)
    return path
