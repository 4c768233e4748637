"""The work queue: nothing lost, nothing twice, failures ever later, and a way to tell that it has stopped."""

import asyncio
import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisper_operator.queue import WorkQueue


async def soon(queue: WorkQueue[str]) -> str:
    return await asyncio.wait_for(queue.get(), timeout=240)


async def nothing(queue: WorkQueue[str]) -> bool:
    try:
        await asyncio.wait_for(queue.get(), timeout=0.05)
    except TimeoutError:
        return True
    return False


async def test_a_key_that_waits_is_one_visit() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for _ in range(3):
        queue.add("a")
    assert await soon(queue) == "a"
    queue.done("a")
    assert await nothing(queue)


async def test_a_key_is_never_visited_twice_at_a_time_and_once_more_afterwards() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    await soon(queue)
    queue.add("a")
    queue.add("a")
    assert await nothing(queue)
    queue.done("a")
    assert await soon(queue) == "a"
    queue.done("a")
    assert await nothing(queue)


async def test_keys_come_in_the_order_in_which_they_were_added() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for key in "bac":
        queue.add(key)
    assert [await soon(queue) for _ in range(3)] == ["b", "a", "c"]


async def test_a_key_comes_back_when_its_visit_asked_for_it() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    await soon(queue)
    queue.done("a", look_again=0.01)
    assert await soon(queue) == "a"


async def test_the_newest_visit_replaces_the_timer() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for look_again in (0.02, None):
        queue.add("a")
        await soon(queue)
        queue.done("a", look_again)
    assert await nothing(queue)


async def test_a_key_that_fails_comes_back_ever_later_and_a_success_forgives() -> None:
    queue: WorkQueue[str] = WorkQueue()
    delays = []
    for _ in range(12):
        queue.add("a")
        await soon(queue)
        delays.append(queue.failed("a"))
    assert delays[0] < 1
    assert all(later > earlier for earlier, later in itertools.pairwise(delays[:6]))
    assert 40 < delays[-1] <= 72
    queue.add("a")
    await soon(queue)
    queue.done("a")
    queue.add("a")
    await soon(queue)
    assert queue.failed("a") < 1


async def test_it_tells_for_how_long_the_oldest_key_waits_or_is_visited() -> None:
    now = 0.0
    queue: WorkQueue[str] = WorkQueue(clock=lambda: now)
    assert queue.oldest() == 0
    queue.add("a")
    now = 7.0
    assert queue.oldest() == 7
    await soon(queue)
    assert queue.oldest() == 0
    now = 10.0
    assert queue.oldest() == 3
    queue.done("a")
    assert queue.oldest() == 0


async def test_after_a_visit_a_key_rests_and_what_comes_meanwhile_is_one_visit() -> None:
    queue: WorkQueue[str] = WorkQueue(rest=0.2)
    queue.add("a")
    await soon(queue)
    queue.done("a")
    for key in "aab":
        queue.add(key)
    assert [await soon(queue) for _ in range(2)] == ["b", "a"]
    queue.done("a")
    assert await nothing(queue)


@given(st.lists(st.sampled_from("abc"), max_size=40), st.integers(1, 4))
def test_whatever_is_added_is_visited_after_it_was_added(keys: list[str], workers: int) -> None:
    visits = asyncio.run(visited(keys, workers))
    added = Counter(keys)
    assert set(visits) == set(added)
    assert all(visits[key] <= added[key] for key in added)


async def visited(keys: list[str], workers: int) -> Counter[str]:
    queue: WorkQueue[str] = WorkQueue(rest=0)
    visits: Counter[str] = Counter()
    fresh: set[str] = set()
    busy: set[str] = set()

    async def work() -> None:
        while True:
            key = await queue.get()
            assert key not in busy
            busy.add(key)
            fresh.discard(key)
            await asyncio.sleep(0)
            visits[key] += 1
            busy.remove(key)
            queue.done(key)

    tasks = [asyncio.create_task(work()) for _ in range(workers)]
    for key in keys:
        fresh.add(key)
        queue.add(key)
        await asyncio.sleep(0)
    for _ in range(8 * len(keys) + 20):
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert not fresh
    return visits


@pytest.mark.parametrize("look_again", [None, 60.0])
async def test_an_event_does_not_wait_for_the_timer(look_again: float | None) -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    await soon(queue)
    queue.done("a", look_again)
    queue.add("a")
    assert await soon(queue) == "a"
