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
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.cache import cache_dir, locked
from tests.cluster.console import say
from tests.cluster.processes import Process, end_all

_DETACHED = "detached"
_numbers = itertools.count(1)


@contextmanager
def own_run(kind: str, sweep: Callable[[Path], None]) -> Iterator[Path]:
    """A new folder for a run of this process, swept when the block ends, however that is, unless it was detached."""
    own = Process.of(os.getpid())
    assert own is not None, "this process is there"
    run = _runs() / f"{kind}.{own.pid}.{own.began}.{next(_numbers)}"
    with termination_unwinds():
        try:
            run.mkdir()
            yield run
        finally:
            if not is_detached(run):
                with uninterrupted():
                    sweep(run)


def detach(run: Path, checkout: Path) -> None:
    """From now on the run outlives this process, as the one of `checkout`."""
    (run / _DETACHED).write_text(str(checkout))


def is_detached(run: Path) -> bool:
    return (run / _DETACHED).exists()


def detached_runs(kind: str, checkout: Path) -> list[Path]:
    """The runs of this checkout that were left running on purpose."""
    return [run for run in all_runs(kind) if is_detached(run) and (run / _DETACHED).read_text() == str(checkout)]


def all_runs(kind: str) -> list[Path]:
    return sorted(_runs().glob(f"{kind}.*"))


def is_leftover(run: Path) -> bool:
    """Whether nobody answers for this run: its starter is gone, and did not leave it running on purpose."""
    _, pid, began, _ = run.name.split(".")
    return not is_detached(run) and not Process(int(pid), int(began)).alive()


def end_run(run: Path) -> None:
    """Ends the run's processes and removes its folder. Safe to repeat."""
    end_all(run)
    if run.exists():
        shutil.rmtree(run)


def sweep_leftovers(runs: Iterable[Path], sweep: Callable[[Path], None]) -> None:
    """Calls `sweep` for each of `runs` that nobody answers for; one process at a time."""
    left = list(filter(is_leftover, runs))
    if not left:
        return
    with locked(_runs().with_suffix(".lock"), waiting_for="another process that clears leftovers away"):
        for run in left:
            say(f"clearing away {run.name}, which a run that died has left behind")
            with uninterrupted():
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
    """Makes SIGTERM do what Ctrl-C does: unwind, and so clear away. Another exception would be a failed test to pytest.

    Only in the main thread, where Python runs signal handlers, and only where nobody else handles the signal.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _runs() -> Path:
    path = cache_dir() / "runs"
    path.mkdir(exist_ok=True)
    return path
