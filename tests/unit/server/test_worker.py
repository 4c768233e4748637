"""One thread, one thing at a time, first come first served."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from whisper_server.engine.worker import OneAtATime


class Work:
    """Blocking work that the test lets go on."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.go_on = threading.Event()
        self.cancelled = threading.Event()

    def __call__(self, cancelled: threading.Event) -> str:
        self.began.set()
        assert self.go_on.wait(20)
        if cancelled.is_set():
            self.cancelled.set()
        return "done"


async def began(work: Work) -> None:
    assert await asyncio.to_thread(work.began.wait, 20)


async def test_work_waits_for_its_turn_and_keeps_its_order() -> None:
    worker, first = OneAtATime("test"), Work()
    order: list[int] = []

    def note(number: int) -> Callable[[threading.Event], None]:
        return lambda _: order.append(number)

    running = asyncio.create_task(worker.run(first))
    await began(first)
    waiting = [asyncio.create_task(worker.run(note(number))) for number in range(5)]
    await asyncio.sleep(0.05)
    assert order == []
    first.go_on.set()
    assert await running == "done"
    await asyncio.gather(*waiting)
    assert order == [0, 1, 2, 3, 4]


async def test_a_waiting_caller_that_is_cancelled_never_begins() -> None:
    worker, first, second = OneAtATime("test"), Work(), Work()
    running = asyncio.create_task(worker.run(first))
    await began(first)
    waiting = asyncio.create_task(worker.run(second))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    first.go_on.set()
    await running
    assert await worker.run(lambda _: "after") == "after"
    assert not second.began.is_set()


async def test_a_caller_cancelled_at_work_is_told_and_the_next_waits_until_it_has_ended() -> None:
    worker, first = OneAtATime("test"), Work()
    running = asyncio.create_task(worker.run(first))
    await began(first)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    following = asyncio.create_task(worker.run(lambda _: threading.active_count()))
    await asyncio.sleep(0.05)
    assert not following.done()
    first.go_on.set()
    await following
    assert first.cancelled.is_set()


async def test_the_turn_passes_on_after_a_failure() -> None:
    worker = OneAtATime("test")

    def fail(_: threading.Event) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await worker.run(fail)
    assert await worker.run(lambda _: 1) == 1
