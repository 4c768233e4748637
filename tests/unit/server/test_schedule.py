"""The scheduler with its threads: rows of many callers, given up at any moment, on a device that fails."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from whisper_server.engine.schedule.errors import (
    BatchTooLargeError,
    BrokenRunnerError,
    QueueFullError,
    RowDroppedError,
    RowExpiredError,
    SchedulerClosedError,
)
from whisper_server.engine.schedule.rows import RowClass, ScheduleSettings
from whisper_server.engine.schedule.scheduler import Scheduler

ONE_WORKER = ScheduleSettings(max_batch=8, max_queued_windows=4, workers=1)


class Doubler:
    """A device that doubles numbers, when the test lets it.

    Attributes:
        batches: what it was given, in order.
        room: the largest batch that it has memory for.
        broken: whether it fails for good.
    """

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.room = 100
        self.broken = False
        self.gate = threading.Event()
        self.gate.set()
        self.began = threading.Semaphore(0)

    def run(self, payloads: Sequence[int]) -> list[int]:
        self.batches.append(list(payloads))
        self.began.release()
        assert self.gate.wait(240)
        if self.broken:
            raise BrokenRunnerError("an illegal memory access was encountered")
        if len(payloads) > self.room:
            raise BatchTooLargeError("out of memory")
        return [2 * self._check(payload) for payload in payloads]

    @staticmethod
    def _check(payload: int) -> int:
        if payload < 0:
            raise ValueError(f"{payload} is negative")
        return payload


class Notes:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.depths: list[int] = []
        self.waits: list[float] = []
        self.batches: list[tuple[int, float]] = []

    def queued(self, rows: int) -> None:
        self.depths.append(rows)

    def waited(self, seconds: float) -> None:
        self.waits.append(seconds)

    def ran(self, rows: int, seconds: float) -> None:
        self.batches.append((rows, seconds))


@asynccontextmanager
async def scheduling(
    runner: Doubler, settings: ScheduleSettings = ONE_WORKER, notes: Notes | None = None
) -> AsyncIterator[Scheduler[int, int]]:
    scheduler: Scheduler[int, int] = Scheduler(runner, settings, notes or Notes())
    try:
        yield scheduler
    finally:
        runner.gate.set()
        await scheduler.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("whisper-model")]


async def occupied(scheduler: Scheduler[int, int], runner: Doubler) -> "asyncio.Task[int]":
    """Let the only worker run a row until the test opens the gate."""
    runner.gate.clear()
    running = asyncio.create_task(scheduler.submit("first", "k", 1))
    assert await asyncio.to_thread(runner.began.acquire, timeout=240)
    return running


async def queued(
    scheduler: Scheduler[int, int], *payloads: int, row_class: RowClass = RowClass.NORMAL
) -> "list[asyncio.Task[int]]":
    tasks = [asyncio.create_task(scheduler.submit(number, "k", number, row_class=row_class)) for number in payloads]
    await asyncio.sleep(0)
    return tasks


async def test_each_caller_gets_its_own_result_and_rows_that_wait_share_a_batch() -> None:
    runner, notes = Doubler(), Notes()
    async with scheduling(runner, notes=notes) as scheduler:
        running = await occupied(scheduler, runner)
        waiting = await queued(scheduler, 2, 3, 4)
        runner.gate.set()
        assert await asyncio.gather(running, *waiting) == [2, 4, 6, 8]
    assert runner.batches == [[1], [2, 3, 4]]
    assert [rows for rows, _ in notes.batches] == [1, 3]
    assert max(notes.depths) == 3
    assert notes.depths[-1] == 0
    assert len(notes.waits) == 4


async def test_a_row_that_is_given_up_leaves_the_queue_at_once() -> None:
    runner, notes = Doubler(), Notes()
    async with scheduling(runner, notes=notes) as scheduler:
        running = await occupied(scheduler, runner)
        (given_up, kept) = await queued(scheduler, 2, 3)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        assert notes.depths[-1] == 1
        runner.gate.set()
        assert list(await asyncio.gather(running, kept)) == [2, 6]
    assert runner.batches == [[1], [3]]


async def test_a_row_that_is_given_up_at_work_is_dropped_and_its_companions_are_not() -> None:
    runner = Doubler()
    async with scheduling(runner) as scheduler:
        running = await occupied(scheduler, runner)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        (after,) = await queued(scheduler, 5)
        runner.gate.set()
        assert await after == 10


async def test_a_deadline_ends_the_wait_in_the_queue_and_at_work() -> None:
    runner, notes = Doubler(), Notes()
    async with scheduling(runner, notes=notes) as scheduler:
        running = await occupied(scheduler, runner)
        with pytest.raises(RowExpiredError, match="deadline"):
            await scheduler.submit("late", "k", 2, deadline=time.monotonic() + 0.02)
        assert notes.depths[-1] == 0
        runner.gate.set()
        assert await running == 2
        runner.gate.clear()
        with pytest.raises(RowExpiredError, match="deadline"):
            await scheduler.submit("late", "k", 3, deadline=time.monotonic() + 0.02)
    assert [1] in runner.batches
    assert [2] not in runner.batches


async def test_a_full_queue_refuses_but_not_work_that_has_begun() -> None:
    runner = Doubler()
    async with scheduling(runner) as scheduler:
        running = await occupied(scheduler, runner)
        waiting = await queued(scheduler, 2, 3, 4, 5)
        with pytest.raises(QueueFullError, match="4 windows wait"):
            await scheduler.submit("more", "k", 6)
        begun = asyncio.create_task(scheduler.submit("begun", "k", 7, admitted=True))
        await asyncio.sleep(0)
        runner.gate.set()
        assert await asyncio.gather(running, *waiting, begun) == [2, 4, 6, 8, 10, 14]


async def test_partials_make_room_for_what_matters_more() -> None:
    runner = Doubler()
    async with scheduling(runner) as scheduler:
        running = await occupied(scheduler, runner)
        partials = await queued(scheduler, 2, 3, 4, 5, row_class=RowClass.PARTIAL)
        (final,) = await queued(scheduler, 6, row_class=RowClass.FINAL)
        with pytest.raises(RowDroppedError):
            await partials[0]
        runner.gate.set()
        assert await asyncio.gather(running, final, *partials[1:]) == [2, 12, 6, 8, 10]
    assert runner.batches == [[1], [6, 3, 4, 5]]


async def test_what_does_not_fit_the_memory_is_halved_and_smaller_batches_follow() -> None:
    runner = Doubler()
    runner.room = 1
    async with scheduling(runner) as scheduler:
        running = await occupied(scheduler, runner)
        waiting = await queued(scheduler, 2, 3, 4, 5)
        runner.gate.set()
        assert await asyncio.gather(running, *waiting) == [2, 4, 6, 8, 10]
        assert runner.batches == [[1], [2, 3, 4, 5], [2, 3], [2], [3], [4, 5], [4], [5]]
        runner.batches.clear()
        assert await asyncio.gather(*await queued(scheduler, 6, 7)) == [12, 14]
        assert runner.batches == [[6], [7]]


async def test_a_row_that_does_not_fit_the_memory_by_itself_fails_alone() -> None:
    runner = Doubler()
    runner.room = 0
    async with scheduling(runner) as scheduler:
        with pytest.raises(BatchTooLargeError):
            await scheduler.submit("a", "k", 1)
        runner.room = 1
        assert await scheduler.submit("a", "k", 1) == 2
        assert not scheduler.broken.is_set()


async def test_a_row_that_cannot_be_done_fails_alone() -> None:
    runner = Doubler()
    async with scheduling(runner) as scheduler:
        running = await occupied(scheduler, runner)
        waiting = await queued(scheduler, 2, -3, 4)
        runner.gate.set()
        results = await asyncio.gather(running, *waiting, return_exceptions=True)
    assert [results[0], results[1], results[3]] == [2, 4, 8]
    assert isinstance(results[2], ValueError)


async def test_a_broken_device_fails_everything_and_says_so() -> None:
    runner = Doubler()
    runner.broken = True
    async with scheduling(runner) as scheduler:
        running = await occupied(scheduler, runner)
        waiting = await queued(scheduler, 2, 3)
        runner.gate.set()
        results = await asyncio.gather(running, *waiting, return_exceptions=True)
        assert [type(result) for result in results] == [BrokenRunnerError] * 3
        await asyncio.wait_for(scheduler.broken.wait(), 240)
        with pytest.raises(BrokenRunnerError, match="illegal memory access"):
            await scheduler.submit("later", "k", 4)
    assert runner.batches == [[1]]


async def test_a_runner_that_loses_a_result_fails_its_rows_and_mixes_up_none() -> None:
    class Loser(Doubler):
        def run(self, payloads: Sequence[int]) -> list[int]:
            return super().run(payloads)[1:]

    async with scheduling(Loser()) as scheduler:
        with pytest.raises(ValueError, match="argument"):
            await scheduler.submit("a", "k", 1)


async def test_an_end_fails_what_waits_and_lets_what_runs_finish() -> None:
    runner = Doubler()
    async with scheduling(runner) as scheduler:
        running = await occupied(scheduler, runner)
        (waiting,) = await queued(scheduler, 2)
        closing = asyncio.create_task(scheduler.close())
        with pytest.raises(SchedulerClosedError):
            await waiting
        assert not closing.done()
        runner.gate.set()
        assert await running == 2
        await closing
        with pytest.raises(SchedulerClosedError):
            await scheduler.submit("late", "k", 3)


async def test_two_workers_run_at_a_time_and_one_is_kept_for_short_work() -> None:
    runner = Doubler()
    async with scheduling(runner, ScheduleSettings(max_batch=1, workers=2)) as scheduler:
        runner.gate.clear()
        long = [asyncio.create_task(scheduler.submit("long", "k", number)) for number in range(1, 9)]
        await asyncio.sleep(0.1)
        ran_of_long = len(runner.batches)
        assert ran_of_long >= 1
        for _ in range(ran_of_long):
            runner.began.acquire()
        runner.gate.set()
        assert await asyncio.gather(scheduler.submit("short", "k", 50), *long) == [100, *range(2, 18, 2)]


def _random_lifetimes() -> list[Callable[[], float | None]]:
    return [lambda: None, lambda: 0.0, lambda: 0.001, lambda: 0.003, lambda: 0.01]


async def test_callers_that_come_and_give_up_at_any_moment_leave_nothing_behind() -> None:
    runner, notes = Doubler(), Notes()
    lifetimes = _random_lifetimes()
    settings = ScheduleSettings(max_batch=4, max_queued_windows=1000, max_delay_ms=1, workers=2)

    async def call(number: int) -> int | None:
        await asyncio.sleep(number % 13 / 1000)
        try:
            async with asyncio.timeout(lifetimes[number % len(lifetimes)]()):
                return await scheduler.submit(number % 7, number % 3, number)
        except TimeoutError:
            return None

    async with scheduling(runner, settings, notes) as scheduler:
        results = await asyncio.gather(*(call(number) for number in range(300)))
        assert all(result in (None, 2 * number) for number, result in enumerate(results))
        assert all(results[number] == 2 * number for number in range(0, 300, len(lifetimes)))
        assert not scheduler._pending
    ran = [number for batch in runner.batches for number in batch]
    assert len(ran) == len(set(ran))
    assert all(len({number % 3 for number in batch}) == 1 for batch in runner.batches)
    assert notes.depths[-1] == 0
