"""Where samples of a live stream wait."""

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.server.waiting import until
from whisper_server.audio.samples import SAMPLE_RATE, Samples
from whisper_server.live.buffers import Backlog, Tape


def numbered(start: int, count: int) -> Samples:
    """Return samples whose values are their places."""
    return np.arange(start, start + count, dtype=np.float32)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 200))), st.integers(0, 300), st.integers(0, 300))
def test_a_tape_keeps_what_is_not_forgotten_in_its_place(steps: list[tuple[int, int]], start: int, end: int) -> None:
    tape, sent, forgotten = Tape(), 0, 0
    for count, forget in steps:
        tape.append(numbered(sent, count))
        sent += count
        tape.forget(forget)
        forgotten = min(max(forgotten, forget), sent)
        assert (tape.start, tape.end) == (forgotten, sent)
    assert tape.cut(start, end).tolist() == list(range(max(start, forgotten), min(end, sent)))


def test_what_was_cut_stays_when_the_tape_goes_on() -> None:
    tape = Tape()
    tape.append(numbered(0, 10))
    cut = tape.cut(2, 4)
    tape.append(numbered(10, 10))
    tape.forget(20)
    assert cut.tolist() == [2, 3]


async def blocks(*counts: int) -> AsyncIterator[Samples]:
    start = 0
    for count in counts:
        yield numbered(start, count)
        start += count


async def taken(backlog: Backlog) -> list[Samples]:
    """Take all there is."""
    parts = []
    while len(part := await backlog.take()):
        parts.append(part)
    return parts


@pytest.mark.parametrize("counts", [(), (0,), (1, 0, 2), (100,) * 50, (3 * SAMPLE_RATE + 5, 7)])
async def test_everything_comes_out_in_order_and_at_most_a_second_at_a_time(counts: tuple[int, ...]) -> None:
    backlog = Backlog(most_seconds=2)
    _, parts = await asyncio.gather(backlog.fill(blocks(*counts)), taken(backlog))
    assert np.concatenate([*parts, numbered(0, 0)]).tolist() == list(range(sum(counts)))
    assert all(len(part) <= SAMPLE_RATE for part in parts)


async def test_small_blocks_that_wait_come_out_as_one() -> None:
    backlog = Backlog(most_seconds=2)
    await backlog.fill(blocks(100, 100, 100))
    assert len(await backlog.take()) == 300


async def test_reading_stops_while_there_is_no_room() -> None:
    backlog, read = Backlog(most_seconds=2), []

    async def counted() -> AsyncIterator[Samples]:
        async for block in blocks(*[SAMPLE_RATE // 2] * 20):
            read.append(block)
            yield block

    reading = asyncio.create_task(backlog.fill(counted()))
    await until(lambda: len(read) == 5)
    await asyncio.sleep(0.01)
    assert len(read) == 5, "2 s, and the block that waits for room"
    await backlog.take()
    await until(lambda: len(read) == 7)
    reading.cancel()


async def test_trouble_while_reading_ends_what_can_be_taken() -> None:
    async def broken() -> AsyncIterator[Samples]:
        yield numbered(0, 5)
        raise ValueError("broken")

    backlog = Backlog(most_seconds=2)
    reading = asyncio.create_task(backlog.fill(broken()))
    assert len(await backlog.take()) == 5
    assert len(await backlog.take()) == 0
    with pytest.raises(ValueError, match="broken"):
        await reading
