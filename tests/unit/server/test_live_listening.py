"""Live streams through the transcriber: who is let in, what is counted, and how trouble is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from tests.support.models import RECORDINGS
from tests.unit.server.fakes import FakeEngine
from tests.unit.server.waiting import until
from whisper_server.admission import Admission
from whisper_server.audio.formats import AudioHint
from whisper_server.audio.limits import DecodeLimits
from whisper_server.audio.stream import whole
from whisper_server.engine.options import DecodingOptions, Instructions
from whisper_server.engine.schedule.errors import (
    BrokenRunnerError,
    QueueFullError,
    RowExpiredError,
    SchedulerClosedError,
)
from whisper_server.errors import ExpiredError, InvalidRequestError, OverloadedError, RequestError, UnavailableError
from whisper_server.live.interface import Final, LiveOptions, LiveUpdate
from whisper_server.operations.metrics import Metrics
from whisper_server.transcriber import Hearing, Job, Transcriber

SPEECH = (RECORDINGS / "en-02.flac").read_bytes()
SPEECH_SECONDS = 3.006


class Desk:
    """A transcriber with a fake engine, and what it counts."""

    def __init__(self, max_streams: int = 2) -> None:
        self.engine = FakeEngine()
        self.metrics = Metrics()
        admission = Admission(1, self.metrics, max_streams)
        self.transcriber = Transcriber(self.engine, admission, DecodeLimits(60), self.metrics)

    def listening(
        self, chunks: AsyncIterator[bytes] | None = None, **instructions: Any
    ) -> AbstractAsyncContextManager[Hearing[LiveUpdate]]:
        job = Job(whole(SPEECH) if chunks is None else chunks, AudioHint(), Instructions(**instructions))
        return self.transcriber.listening(job, LiveOptions())

    def metric(self, name: str) -> float:
        """Return a sample's value; 0 when there is none yet."""
        return self.metrics.registry.get_sample_value(name) or 0.0


async def test_a_stream_is_heard_and_counted() -> None:
    desk = Desk()
    async with desk.listening() as hearing:
        assert desk.metric("whisper_server_active_streams") == 1
        (final,) = [update async for update in hearing.updates]
        assert isinstance(final, Final)
        assert final.segments == desk.engine.answer.segments
        assert hearing.audio_seconds == pytest.approx(SPEECH_SECONDS, abs=0.001)
    assert desk.metric("whisper_server_active_streams") == 0
    assert desk.metric("whisper_server_audio_seconds_total") == pytest.approx(SPEECH_SECONDS, abs=0.001)


async def test_one_stream_too_many_is_refused_before_it_is_read() -> None:
    desk = Desk(max_streams=1)
    async with desk.listening():
        with pytest.raises(OverloadedError, match="listens to 1 live streams, and to no more") as refused:
            await desk.listening(_never_read()).__aenter__()
        assert refused.value.retry_after_seconds > 0
    async with desk.listening():
        pass


async def test_streams_and_requests_take_no_place_of_each_other() -> None:
    desk = Desk(max_streams=1)
    job = Job(whole(SPEECH), AudioHint(), Instructions())
    async with desk.listening(), desk.transcriber.transcribing(job):
        assert desk.metric("whisper_server_active_streams") == 1


async def test_a_stream_is_refused_while_the_model_has_no_room() -> None:
    desk = Desk()
    desk.engine.is_full = True
    with pytest.raises(OverloadedError, match="the model has as much to do as may wait"):
        await desk.listening(_never_read()).__aenter__()


async def test_an_option_that_no_model_can_do_is_refused_before_it_is_read() -> None:
    with pytest.raises(InvalidRequestError, match="beam_size"):
        await Desk().listening(_never_read(), decoding=DecodingOptions(beam_size=1000)).__aenter__()


async def _never_read() -> AsyncIterator[bytes]:
    pytest.fail("it was read")
    yield b""


async def test_audio_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(InvalidRequestError):
        async with Desk().listening(whole(b"garbage" * 100)) as hearing:
            await anext(hearing.updates)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (QueueFullError("no room"), OverloadedError),
        (RowExpiredError("too late"), ExpiredError),
        (SchedulerClosedError("it ends"), UnavailableError),
        (BrokenRunnerError("it is broken"), UnavailableError),
    ],
)
async def test_the_engine_s_trouble_is_told_in_words_for_callers(error: Exception, told: type[RequestError]) -> None:
    desk = Desk()
    desk.engine.error = error
    with pytest.raises(told):
        async with desk.listening() as hearing:
            await anext(hearing.updates)
    assert desk.metric("whisper_server_active_streams") == 0


async def test_a_caller_that_is_cancelled_leaves_its_place_and_the_model() -> None:
    desk = Desk()
    desk.engine.gate.clear()

    async def listen() -> None:
        async with desk.listening() as hearing:
            await anext(hearing.updates)

    listening = asyncio.create_task(listen())
    await until(lambda: desk.engine.windows)
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening
    assert desk.metric("whisper_server_active_streams") == 0
    assert desk.engine.given_up == 1
    assert asyncio.all_tasks() == {asyncio.current_task()}
