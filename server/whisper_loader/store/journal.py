"""How far a pull has come, so that the next pod goes on where this one died.

Only bytes that are safely on the volume are noted: fdatasync comes first, in a thread of its own, while more arrive.
Where the file system has no fdatasync nothing is noted.
"""

import json
import os
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from whisper_loader.store.durable import flush, write_atomically

JOURNAL = "journal.json"
CHECKPOINT_BYTES = 16 << 20


class Journal:
    """The bytes of each file that need not be fetched again, for one content of one source."""

    def __init__(self, path: Path | None, identity: str, kept: dict[str, int] | None = None) -> None:
        """`path` is where notes are written; without one nothing is noted, and nothing kept."""
        self._path = path
        self._identity = identity
        self._kept = kept or {}
        self._noted = dict(self._kept)
        self._thread = None if path is None else ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._running: Future[None] | None = None

    @classmethod
    def none(cls) -> "Journal":
        """Return the journal of a pull that can't go on half-way."""
        return cls(None, "")

    @classmethod
    def open(cls, path: Path, identity: str, target: Path) -> "Journal":
        """Return the journal at `path` if it is about `identity`, a new one otherwise; clear `target` of the rest.

        What stays in `target` are the files, whole or not, that the journal knows.
        """
        kept = {name: size for name, size in _read(path, identity).items() if _has(target / name, size)}
        for folder, _, names in os.walk(target):
            for name in names:
                found = Path(folder, name)
                if str(found.relative_to(target)) not in kept:
                    found.unlink()
        return cls(path, identity, kept)

    def kept(self, path: str) -> int:
        """Return how many bytes of the file are there."""
        return self._kept.get(path, 0)

    @property
    def kept_in_all(self) -> int:
        """Bytes of all files that are there."""
        return sum(self._kept.values())

    def note(self, path: str, descriptor: int, size: int) -> None:
        """Take note that the open file has `size` bytes now. Most calls do nothing: notes are far apart."""
        if self._thread is None or self._path is None or size - self._noted.get(path, 0) < CHECKPOINT_BYTES:
            return
        if self._running is not None and not self._running.done():
            return
        self._raise_trouble()
        self._noted[path] = size
        text = json.dumps({"identity": self._identity, "files": self._noted})
        self._running = self._thread.submit(_write, self._path, os.dup(descriptor), text)

    def _raise_trouble(self) -> None:
        if self._running is not None:
            self._running.result()

    def close(self) -> None:
        """Wait for the last note; what it met (a full volume) the pull meets by itself."""
        if self._thread is not None:
            self._thread.shutdown()


def _write(path: Path, descriptor: int, text: str) -> None:
    try:
        safe = flush(descriptor, os.fdatasync)
    finally:
        os.close(descriptor)
    if safe:
        write_atomically(path, text.encode())


def _read(path: Path, identity: str) -> dict[str, int]:
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        document = json.loads(path.read_bytes())
        if document["identity"] == identity:
            return {str(name): int(size) for name, size in document["files"].items()}
    return {}


def _has(path: Path, size: int) -> bool:
    """Tell whether the file has at least `size` bytes: a node that crashed may have lost a file that was noted."""
    with suppress(OSError):
        return not path.is_symlink() and path.is_file() and path.stat().st_size >= size > 0
    return False
