"""Who is read from, who waits, and what ends a live stream; memory and lag stay as they are."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.unit.server.live_speech import Script
from tests.unit.server.live_streams import FINALS, Stream, resident_bytes
from tests.unit.server.waiting import until
from whisper_server.audio.samples import SAMPLE_RATE, Samples
from whisper_server.engine.schedule.errors import QueueFullError, RowExpiredError
from whisper_server.engine.schedule.rows import RowClass
from whisper_server.errors import InvalidRequestError
from whisper_server.live.interface import Final
from whisper_server.live.stream import BACKLOG_SECONDS


async def test_a_client_that_sends_faster_than_the_model_hears_has_to_wait() -> None:
    stream = Stream(Script.of(*[10] * 60), FINALS)
    stream.engine.gate.clear()
    live = asyncio.ensure_future(anext(stream.updates(stream.sender.at_once())))
    await until(lambda: stream.engine.windows)
    await asyncio.sleep(0.05)
    assert stream.sender.sent / SAMPLE_RATE <= stream.probabilities.clock() + BACKLOG_SECONDS + 2
    stream.engine.gate.set()
    assert isinstance(await live, Final)


async def test_a_client_that_takes_no_updates_is_not_listened_to() -> None:
    stream = Stream(Script.of(*[10] * 60), FINALS)
    live = stream.updates(stream.sender.at_once())
    await anext(live)
    await asyncio.sleep(0.05)
    assert len(stream.engine.windows) == 1
    assert stream.sender.sent / SAMPLE_RATE <= stream.probabilities.clock() + BACKLOG_SECONDS + 2
    await live.aclose()


@pytest.mark.slow
async def test_an_hour_takes_no_more_memory_and_no_more_lag_than_some_minutes() -> None:
    """As fast as it goes: the hour is cut and paused hundreds of times."""
    script = Script.of(*[5, 80, 12, 3] * 60, word_seconds=0.5, pause_seconds=1.5)
    assert script.length >= 3600 * SAMPLE_RATE
    stream = Stream(script, FINALS)
    stream.sender.block = SAMPLE_RATE
    lags, held = [], []
    async for update in stream.updates(stream.sender.at_once()):
        assert isinstance(update, Final)
        stream.engine.windows.clear()
        lags.append(stream.sender.sent / SAMPLE_RATE - update.audio_seconds)
        held.append(resident_bytes())
    assert len(lags) == 300
    assert max(lags) <= BACKLOG_SECONDS + 2
    third = len(held) // 3
    assert max(held[-third:]) <= max(held[:third]) + 30_000_000, "the audio has 240 million bytes"


async def test_ending_the_iterator_ends_reading_and_the_model_s_work() -> None:
    stream = Stream(Script.of(*[10] * 60))
    stream.engine.partial_seconds = 1e9
    live = stream.updates()
    await anext(live)
    others = asyncio.all_tasks()
    assert len(others) > 1
    await live.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert stream.engine.given_up == len(stream.engine.of_class(RowClass.PARTIAL))


async def test_a_cancelled_consumer_takes_everything_with_it() -> None:
    stream = Stream(Script.of(*[10] * 60))
    stream.engine.gate.clear()
    listening = asyncio.create_task(stream.all())
    await until(lambda: stream.engine.of_class(RowClass.FINAL))
    listening.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await listening
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert stream.engine.given_up == len(stream.engine.windows)


async def test_trouble_with_the_audio_is_raised_after_what_was_said_before() -> None:
    stream = Stream(options=FINALS)

    async def broken() -> AsyncIterator[Samples]:
        async for block in stream.sender.at_once():
            yield block
        raise InvalidRequestError("the rest is garbage")

    live = stream.updates(broken())
    for _ in range(3):
        assert isinstance(await anext(live), Final)
    with pytest.raises(InvalidRequestError, match="the rest is garbage"):
        await anext(live)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("error", [RowExpiredError("too late"), QueueFullError("full")])
async def test_a_final_that_cannot_be_made_ends_the_stream(error: Exception) -> None:
    stream = Stream(options=FINALS)
    stream.engine.error = error
    with pytest.raises(type(error)):
        await stream.all()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_partial_that_expires_ends_the_stream() -> None:
    stream = Stream()
    stream.engine.partials_error = RowExpiredError("too late")
    with pytest.raises(RowExpiredError):
        await stream.all()
