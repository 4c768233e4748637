"""Deadlines, idle streams and callers that do not read, over real connections."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.unit.server.conftest import loopback_settings
from tests.unit.server.waiting import until
from whisper_server.operations.metrics import Metrics
from whisper_server.patience import Patience
from whisper_server.rpc.calls import Calls
from whisper_server.rpc.server import RpcServer, Service
from whisper_server.security.secured import Security

LARGE = bytes(1_000_000)


class Parrot:
    """A service whose one method answers each message with many large ones."""

    def __init__(self, calls: Calls, *, live: bool) -> None:
        self._calls = calls
        self._live = live
        self.ended = 0

    def service(self) -> Service:
        handler = grpc.stream_stream_rpc_method_handler(self.talk)
        return Service("test.Parrot", lambda server: server.add_generic_rpc_handlers((self._handlers(handler),)))

    def _handlers(self, handler: Any) -> Any:
        return grpc.method_handlers_generic_handler("test.Parrot", {"Talk": handler})

    async def talk(self, requests: Any, context: Any) -> None:
        try:
            await self._calls.answer_stream("Talk", context, self._answers(requests), live=self._live)
        finally:
            self.ended += 1

    async def _answers(self, requests: Any) -> Any:
        async for request in self._calls.reading(requests):
            for _ in range(int(request)):
                yield LARGE


@asynccontextmanager
async def parrot(patience: Patience, *, live: bool = False) -> AsyncIterator[tuple[Parrot, Metrics, Any]]:
    metrics, settings = Metrics(), loopback_settings()
    calls = Calls(metrics, patience)
    bird = Parrot(calls, live=live)
    server = RpcServer(settings, (bird.service(),), calls, Security.open(settings, metrics))
    port = await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield bird, metrics, channel.stream_stream("/test.Parrot/Talk")
    await server.stop(0)


async def test_a_stream_that_sends_nothing_is_ended_with_a_sentence() -> None:
    async with parrot(Patience(idle=0.2), live=True) as (_, _, talk):
        call = talk()
        await call.write(b"1")
        assert await call.read() == LARGE
        assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert await call.details() == (
            "nothing came for 0.2 s: send silence while nobody speaks, or half-close the stream"
        )


async def test_a_caller_that_does_not_read_is_given_up() -> None:
    async with parrot(Patience(write=0.2)) as (bird, metrics, talk):
        call = talk()
        await call.write(b"100")
        await call.read()
        await until(lambda: bird.ended == 1)
        labels = {"method": "Talk", "code": "DEADLINE_EXCEEDED"}
        assert metrics.registry.get_sample_value("whisper_server_requests_total", labels) == 1
        call.cancel()


async def test_a_call_without_a_deadline_gets_one() -> None:
    async with parrot(Patience(default_deadline=0.2)) as (_, _, talk):
        call = talk()
        assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert await call.details() == "the deadline passed before the answer was complete"


async def test_a_deadline_is_no_longer_than_the_longest() -> None:
    async with parrot(Patience(max_deadline=0.2)) as (_, _, talk):
        call = talk(timeout=3_600)
        assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_live_stream_outlasts_the_longest_deadline() -> None:
    async with parrot(Patience(default_deadline=0.1, max_deadline=0.1), live=True) as (_, _, talk):
        call = talk()
        await call.write(b"1")
        assert await call.read() == LARGE
        await asyncio.sleep(0.3)
        await call.write(b"1")
        assert await call.read() == LARGE
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK


@pytest.mark.parametrize(("remaining", "expected"), [(None, 10), (5.0, 5), (1e9, 100)])
def test_deadlines_are_the_callers_within_what_is_allowed(remaining: float | None, expected: float) -> None:
    patience = Patience(default_deadline=10, max_deadline=100)
    assert patience.deadline(remaining) - time.monotonic() == pytest.approx(expected, abs=1)


def test_the_settings_say_what_is_allowed() -> None:
    settings = loopback_settings(
        model=Path("/m"), default_deadline_seconds=1, max_deadline_seconds=2, idle_timeout_seconds=3
    )
    assert Patience.of(settings) == Patience(1, 2, 3, settings.write_timeout_seconds)
