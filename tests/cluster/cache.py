"""Where the harness keeps what outlives a run: compiled programs and, while they run, the clusters' state.

It lies outside the checkout, so that every checkout on a machine shares what took minutes to compile.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.console import say


def cache_dir() -> Path:
    """`$WHISPER_OPERATOR_CACHE`, else `whisper-operator` in the user's cache directory; made when it is not there."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    path = Path(os.environ.get("WHISPER_OPERATOR_CACHE") or Path(base, "whisper-operator")).absolute()
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def locked(path: Path, *, waiting_for: str) -> Iterator[None]:
    """Holds the lock file `path`; says so when another process holds it and we wait. A dead holder releases it."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for {waiting_for}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
