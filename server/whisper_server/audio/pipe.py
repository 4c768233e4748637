"""Bytes on their way from the event loop to a thread that reads them like a file."""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")

#: What may be written and not read yet.
_CAPACITY = 1024**2
#: Of a large chunk, so much is handed over at a time.
_PORTION = 256 * 1024


class Pipe:
    """A bounded pipe, written by the event loop that made it and read by one thread.

    It has `read` and nothing else of a file, so that PyAV takes it for one that cannot be sought.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._changed = threading.Condition()
        self._portions: deque[memoryview] = deque()
        self._unread = 0
        self._ended = False
        self._writer: asyncio.Future[None] | None = None  # Waits for room.

    async def write(self, data: bytes | memoryview) -> None:
        """Hand over `data`, waiting while the reader is behind."""
        view = memoryview(data)
        for start in range(0, len(view), _PORTION):
            with self._changed:
                waits = self._unread >= _CAPACITY
                if waits:
                    self._writer = self._loop.create_future()
            if waits and self._writer is not None:
                await self._writer
            with self._changed:
                self._portions.append(view[start : start + _PORTION])
                self._unread += len(self._portions[-1])
                self._changed.notify()

    def end(self) -> None:
        """Tell the reader that this is all."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def abandon(self) -> None:
        """End every `read` from now on, also the one that waits: nobody wants what would come of it."""
        with self._changed:
            self._ended = True
            self._portions.clear()
            self._changed.notify()

    @property
    def starved(self) -> bool:
        """Whether a reader would have to wait."""
        return not self._portions and not self._ended

    def read(self, size: int) -> bytes:
        """Return 1 to `size` bytes as soon as there are some, none at the end; for the thread."""
        with self._changed:
            self._changed.wait_for(lambda: self._portions or self._ended)
            if not self._portions:
                return b""
            portion = self._portions.popleft()
            if len(portion) > size:
                self._portions.appendleft(portion[size:])
            taken = bytes(portion[:size])
            self._unread -= len(taken)
            writer, self._writer = self._writer, None
        if writer is not None:
            with contextlib.suppress(RuntimeError):  # The event loop is closed.
                self._loop.call_soon_threadsafe(_wake, writer)
        return taken


def _wake(writer: asyncio.Future[None]) -> None:
    if not writer.done():
        writer.set_result(None)


class Worker:
    """A thread of its own for blocking work that belongs together, one piece after the other."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audio")

    async def run(self, work: Callable[..., _T], *arguments: object) -> _T:
        """Return what `work` returns. A cancelled caller leaves it running."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    def end(self, *last: Callable[[], object]) -> None:
        """Do what comes `last` once what runs is done, and end the thread; waits for neither."""
        for work in last:
            self._thread.submit(work)
        self._thread.shutdown(wait=False)
