"""sha256 of files and of bytes that pass by."""

import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

# Smaller pieces are hashed on the spot: handing them over costs more than it saves.
_WORTH_A_THREAD = 64 << 10
_MAX_WAITING = 4


def sha256_of(path: Path) -> str:
    """Return the hex sha256 of the file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class BackgroundSha256:
    """A sha256 that is computed beside the caller's work, on a core of its own where there is one.

    hashlib lets other threads run meanwhile. A few pieces may wait, which bounds the memory.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._thread: ThreadPoolExecutor | None = None
        self._waiting: deque[Future[None]] = deque()

    def update(self, data: bytes) -> None:
        """Take `data` in after what came before."""
        if len(data) < _WORTH_A_THREAD and not self._waiting:
            self._hash.update(data)
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="sha256")
        self._waiting.append(self._thread.submit(self._hash.update, data))
        if len(self._waiting) > _MAX_WAITING:
            self._waiting.popleft().result()

    def hexdigest(self) -> str:
        """Return the digest of all that was taken in."""
        while self._waiting:
            self._waiting.popleft().result()
        return self._hash.hexdigest()

    def close(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
