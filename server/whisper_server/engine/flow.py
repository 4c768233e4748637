"""Several things at work at a time, told in the order in which they came."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, Generic, TypeVar

A = TypeVar("A")
B = TypeVar("B")


async def in_order(
    items: AsyncGenerator[A, None], work: Callable[[A], Coroutine[Any, Any, B]], most: int
) -> AsyncGenerator[tuple[A, B], None]:
    """Yield each of `items` with what `work` makes of it.

    Whatever ends it, the caller's leaving too, ends the work that has begun, and closes `items`.

    Args:
        items: read as long as fewer than `most` are at work or wait to be told.
        work: begun at once.
        most: bounds memory.
    """
    flow = _Flow(items, work, most)
    try:
        while await flow.advance():
            while (done := flow.pop_done()) is not None:
                yield done
    finally:
        await flow.end()
        await items.aclose()


class _Flow(Generic[A, B]):
    def __init__(self, items: AsyncGenerator[A, None], work: Callable[[A], Coroutine[Any, Any, B]], most: int) -> None:
        self._items = items
        self._work = work
        self._most = most
        self._coming: asyncio.Task[A] | None = None
        self._ended = False
        self._working: deque[tuple[A, asyncio.Task[B]]] = deque()

    async def advance(self) -> bool:
        """Wait until an item comes or the first one is done; return False when there is nothing left to wait for."""
        if self._coming is None and not self._ended and len(self._working) < self._most:
            self._coming = asyncio.ensure_future(anext(self._items))
        awaited: list[asyncio.Task[Any]] = [task for _, task in list(self._working)[:1]]
        if self._coming is not None:
            awaited.append(self._coming)
        if not awaited:
            return False
        await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        if self._coming is not None and self._coming.done():
            self._begin(self._coming)
        return True

    def _begin(self, come: "asyncio.Task[A]") -> None:
        self._coming = None
        try:
            item = come.result()
        except StopAsyncIteration:
            self._ended = True
        else:
            self._working.append((item, asyncio.create_task(self._work(item))))

    def pop_done(self) -> tuple[A, B] | None:
        """Return the first item with what became of it, if it is done; raise what its work raised."""
        if not self._working or not self._working[0][1].done():
            return None
        item, task = self._working.popleft()
        return item, task.result()

    async def end(self) -> None:
        """Cancel what is at work, and wait until it has ended."""
        tasks: list[asyncio.Task[Any]] = [task for _, task in self._working]
        if self._coming is not None:
            tasks.append(self._coming)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
