"""Several things at work at a time, told in order."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from tests.unit.server.waiting import until
from whisper_server.engine.flow import in_order


class Source:
    """Gives numbers, and notes how many were taken and whether it was closed."""

    def __init__(self, count: int) -> None:
        self.taken = 0
        self.closed = False
        self.items = self._give(count)

    async def _give(self, count: int) -> AsyncGenerator[int, None]:
        try:
            for number in range(count):
                self.taken += 1
                yield number
        finally:
            self.closed = True


async def test_results_come_in_order_whatever_is_done_first() -> None:
    async def work(number: int) -> int:
        await asyncio.sleep(0.01 * (5 - number))
        return number * 10

    assert [pair async for pair in in_order(Source(5).items, work, 5)] == [(n, n * 10) for n in range(5)]


async def test_no_more_are_begun_than_may_be_at_work() -> None:
    source, gate = Source(10), asyncio.Event()

    async def work(number: int) -> int:
        await gate.wait()
        return number

    flow = in_order(source.items, work, 3)
    first = asyncio.ensure_future(anext(flow))
    for _ in range(50):
        await asyncio.sleep(0)
    assert source.taken == 3
    gate.set()
    assert await first == (0, 0)
    assert [item async for item, _ in flow] == list(range(1, 10))


async def test_a_result_does_not_wait_for_the_next_item() -> None:
    never = asyncio.Event()

    async def items() -> AsyncGenerator[int, None]:
        yield 1
        await never.wait()

    async def work(number: int) -> int:
        return number

    flow = in_order(items(), work, 3)
    assert await asyncio.wait_for(anext(flow), 240) == (1, 1)
    await flow.aclose()


@pytest.mark.parametrize("failing", ["work", "source"])
async def test_an_error_ends_all_that_is_at_work(failing: str) -> None:
    source = Source(5)

    async def items() -> AsyncGenerator[int, None]:
        async for number in source.items:
            yield number
        raise ValueError("the source fails")

    async def work(number: int) -> int:
        if number == 0 and failing == "work":
            raise ValueError("the work fails")
        await asyncio.Event().wait()
        return number

    with pytest.raises(ValueError, match=f"the {failing} fails"):
        async for _ in in_order(items(), work, 10):
            pass
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


async def test_who_leaves_ends_all_that_is_at_work() -> None:
    source, running = Source(5), set()

    async def work(number: int) -> int:
        if number:
            running.add(number)
            try:
                await asyncio.Event().wait()
            finally:
                running.discard(number)
        return number

    flow = in_order(source.items, work, 3)
    await anext(flow)
    await until(lambda: running)
    await flow.aclose()
    assert not running
    assert source.closed
