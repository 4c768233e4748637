"""Telling of progress while nothing else comes."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Generic, TypeVar

_T = TypeVar("_T")


class _Over(Generic[_T]):
    """The end of what is awaited, and what ended it."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error


async def with_pauses(items: AsyncIterator[_T], seconds: float) -> AsyncGenerator[_T | None, None]:
    """Yield `items`, and None each time that `seconds` pass without one; raise what they raise.

    They are awaited in a task of their own, one ahead of what is taken. Closing the iterator ends it.
    """
    ready: asyncio.Queue[_T | _Over[_T]] = asyncio.Queue(maxsize=1)

    async def fetch() -> None:
        try:
            async for item in items:
                await ready.put(item)
        except Exception as error:  # noqa: BLE001 - raised again where the items are taken
            await ready.put(_Over(error))
        else:
            await ready.put(_Over(None))

    fetching = asyncio.create_task(fetch())
    try:
        while True:
            item = await _within(ready, seconds)
            if not isinstance(item, _Over):
                yield item
            elif item.error is None:
                return
            else:
                raise item.error
    finally:
        fetching.cancel()
        await asyncio.wait([fetching])


async def _within(ready: asyncio.Queue[_T], seconds: float) -> _T | None:
    try:
        async with asyncio.timeout(seconds):
            return await ready.get()
    except TimeoutError:
        return None
