"""One thread that does one thing at a time, for callers on the event loop."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")


class OneAtATime:
    """Runs blocking work in turn, first come first served, without blocking the event loop.

    Waiting happens on the event loop and not in the thread's own queue: a caller that is cancelled is gone at once, and
    what it brought is freed.
    """

    def __init__(self, thread_name: str) -> None:
        self._turn = asyncio.Semaphore(1)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=thread_name)

    async def run(self, work: Callable[[threading.Event], _T]) -> _T:
        """Return what `work` returns; it is given an event that is set when its caller is cancelled."""
        await self._turn.acquire()
        cancelled = threading.Event()
        loop = asyncio.get_running_loop()
        future: Future[_T] = self._thread.submit(work, cancelled)
        # The turn ends with the work and not with its caller: a cancelled one still occupies the thread for a while.
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._turn.release))
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            cancelled.set()
            raise
