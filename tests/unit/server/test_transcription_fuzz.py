"""Calls of our own protocol that no client would make: each has a fitting status, and the server goes on."""

import asyncio
import contextlib
import random
import threading
from typing import Any

import grpc
import pytest

from tests.unit.server.conftest import RECORDING, Served
from tests.unit.server.own_client import OwnClient, chunks, upload
from tests.unit.server.waiting import until
from whisper_server.api import transcription_pb2 as pb
from whisper_server.api.transcription_pb2_grpc import TranscriptionStub
from whisper_server.rpc.transcription import SERVICE

pytestmark = pytest.mark.slow

CALLS = 100
#: What a call may end with: nothing here is the server's or its engine's fault.
ANSWERS = {grpc.StatusCode.OK.name, grpc.StatusCode.INVALID_ARGUMENT.name, grpc.StatusCode.NOT_FOUND.name}

WHOLE = (-(2**31), -1, 0, 1, 2, 5, 16_000, 2**31 - 1)
REAL = (float("nan"), float("inf"), -1.0, 0.0, 0.2, 0.5, 1.0, 1e300)
TEXT = ("", "en", "ko-KR", "auto", "small", "large", "\0", "x" * 2_000, "전화")
REQUESTS = {
    "Transcribe": pb.TranscribeRequest,
    "StreamTranscribe": pb.StreamTranscribeRequest,
    "DetectLanguage": pb.DetectLanguageRequest,
}


def wild(chance: random.Random, message: Any) -> Any:
    """Fill some of a message's fields with values of their types."""
    for field in message.DESCRIPTOR.fields:
        if chance.random() < 0.8:
            continue
        if field.message_type is not None:
            wild(chance, getattr(message, field.name))
            getattr(message, field.name).SetInParent()
        elif field.is_repeated:
            getattr(message, field.name).extend(_value(chance, field) for _ in range(chance.randrange(4)))
        else:
            setattr(message, field.name, _value(chance, field))
    return message


def _value(chance: random.Random, field: Any) -> Any:
    match field.type:
        case field.TYPE_BOOL:
            return chance.random() < 0.5
        case field.TYPE_ENUM:
            return chance.choice((0, 1, 2, 3, 7))
        case field.TYPE_DOUBLE:
            return chance.choice(REAL)
        case field.TYPE_STRING:
            return chance.choice(TEXT)
        case field.TYPE_BYTES:
            return chance.randbytes(chance.randrange(2_000))
        case _:
            return chance.choice(WHOLE)


def wild_calls(chance: random.Random, request: Any) -> list[Any]:
    """Return the messages of one call: mostly a config and a recording, with something else in between."""
    messages = [request(audio=chunk) for chunk in chunks(RECORDING[: chance.choice((None, chance.randrange(9_000)))])]
    if chance.random() < 0.8:
        first = request()
        wild(chance, first.config)
        first.config.SetInParent()
        messages.insert(0, first)
    for _ in range(chance.choice((0, 0, 1, 2))):
        messages.insert(chance.randrange(len(messages) + 1), wild(chance, request()))
    return messages


async def ended(call: Any) -> None:
    """Return once a call has ended, all that it brings read."""
    if not hasattr(call, "__aiter__"):
        await call
        return
    async for _ in call:
        pass


def codes(served: Served, method: str) -> set[str]:
    """Return what the server has answered with."""
    return {
        sample.labels["code"]
        for family in served.metrics.registry.collect()
        for sample in family.samples
        if sample.name == "whisper_server_requests_total" and sample.labels["method"] == method
    }


async def still_serves(served: Served) -> None:
    await until(lambda: served.metric("whisper_server_requests_in_progress") == 0)
    await until(lambda: served.metric("whisper_server_active_streams") == 0)
    assert (await OwnClient(served.port).transcribe()).segments


@pytest.mark.parametrize("method", REQUESTS)
async def test_calls_of_any_messages_are_answered_or_refused(served: Served, method: str) -> None:
    chance, call = random.Random(method), getattr(TranscriptionStub(served.channel), method)
    threads = threading.active_count()
    for _ in range(CALLS):
        running = call(iter(wild_calls(chance, REQUESTS[method])))
        if chance.random() < 0.1:
            await asyncio.sleep(chance.random() / 100)
            running.cancel()
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.CancelledError):  # The client may lose its status.
            await ended(running)
    await still_serves(served)
    assert {"OK", "INVALID_ARGUMENT", "NOT_FOUND"} <= codes(served, method) <= {*ANSWERS, "CANCELLED"}
    assert threading.active_count() <= threads + 16, "as many as the loop's pool has"


async def test_damaged_messages_are_answered_or_refused(served: Served) -> None:
    chance = random.Random(5)
    call = served.channel.stream_stream(f"/{SERVICE}/Transcribe")
    for _ in range(CALLS):
        messages = [message.SerializeToString() for message in upload(RECORDING[:4_000])]
        damaged = bytearray(messages[chance.randrange(len(messages))])
        for _ in range(chance.randrange(1, 6)):
            at = chance.randrange(len(damaged) + 1)
            damaged[at : at + chance.randrange(2)] = chance.randbytes(chance.randrange(3))
        messages.insert(chance.randrange(len(messages) + 1), bytes(damaged))
        with contextlib.suppress(grpc.aio.AioRpcError):
            await ended(call(iter(messages)))
    await still_serves(served)
    assert codes(served, "Transcribe") <= ANSWERS
