"""Waiting for what tells nobody when it happens."""

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object], seconds: float = 240) -> None:
    """Return once `condition` is true; TimeoutError when that takes longer than `seconds`."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - metrics and files set no event
            await asyncio.sleep(0.01)
