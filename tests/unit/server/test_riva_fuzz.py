"""Requests and streams that no client would send: each has a fitting status, and the server goes on."""

import asyncio
import contextlib
import random
import threading
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from riva.client.proto import riva_asr_pb2

from tests.unit.server.conftest import Served, recognize_request
from tests.unit.server.test_riva_stream import PCM, config, in_chunks, speech, stream
from tests.unit.server.waiting import until
from whisper_server.rpc.riva import SERVICE
from whisper_server.rpc.riva_custom import KNOWN

pytestmark = pytest.mark.slow

REQUESTS = 150
STREAMS = 60

#: What a request may be answered with: nothing here is the server's or its engine's fault.
ANSWERS = {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}

WHOLE = (-(2**31), -1, 0, 1, 2, 5, 16_000, 2**31 - 1)
REAL = (float("nan"), float("inf"), -1.0, 0.0, 0.2, 0.5, 1.0, 3.4e38)
TEXT = (
    "",
    "en",
    "ko-KR",
    "multi",
    "small",
    "large",
    "\0",
    "%",
    "%FF",
    "x" * 2_000,
    "전화",
    "true",
    "none",
    "0,0.2",
    "7",
    "-1",
)


def wild(chance: random.Random, message: Any) -> Any:
    """Fill some of a message's fields with values of their types."""
    for field in message.DESCRIPTOR.fields:
        if chance.random() < 0.75:
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            getattr(message, field.name)[chance.choice((*KNOWN, *KNOWN, "other"))] = chance.choice(TEXT)
        elif field.message_type is not None:
            part = getattr(message, field.name)
            wild(chance, part.add() if hasattr(part, "add") else part)
        elif field.type == field.TYPE_STRING and hasattr(getattr(message, field.name), "extend"):
            getattr(message, field.name).extend(chance.choices(TEXT, k=3))
        else:
            setattr(message, field.name, _value(chance, field))
    return message


def _value(chance: random.Random, field: Any) -> Any:
    values: dict[Any, Callable[[], Any]] = {
        field.TYPE_BOOL: lambda: chance.random() < 0.3,
        field.TYPE_ENUM: lambda: chance.choice((0, 1, 2, 3, 4, 7)),
        field.TYPE_FLOAT: lambda: chance.choice(REAL),
        field.TYPE_INT32: lambda: chance.choice(WHOLE),
        field.TYPE_STRING: lambda: chance.choice(TEXT),
        field.TYPE_BYTES: lambda: chance.randbytes(chance.randrange(2_000)),
    }
    return values[field.type]()


def damaged(chance: random.Random, content: bytes) -> bytes:
    """Change, drop and insert a few bytes, most of them in the config at the beginning."""
    changed = bytearray(content)
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(min(len(changed), chance.choice((60, len(changed)))))
        how = chance.randrange(3)
        changed[at : at + (how != 0)] = chance.randbytes(how != 1)
    return bytes(changed)


async def still_serves(served: Served) -> None:
    await until(lambda: served.metric("whisper_server_requests_in_progress") == 0)
    await until(lambda: served.metric("whisper_server_active_streams") == 0)
    assert (await served.recognize()).results
    assert await stream(served, [config(**PCM), *in_chunks(speech().tobytes())])


async def test_configs_of_any_values_are_answered_or_refused(served: Served) -> None:
    chance = random.Random(1)
    codes = set()
    for _ in range(REQUESTS):
        request = recognize_request()
        request.config.CopyFrom(wild(chance, riva_asr_pb2.RecognitionConfig()))
        codes.add(await served.stub.Recognize(request).code())
    assert codes == ANSWERS
    await still_serves(served)


async def test_damaged_requests_are_answered_or_refused(served: Served) -> None:
    chance = random.Random(2)
    call = served.channel.unary_unary(f"/{SERVICE}/Recognize")
    asked = {"language_code": "en-US", "model": "small", "custom_configuration": {"beam_size": "2"}}
    whole = recognize_request(bytes(4_000), **PCM, **asked).SerializeToString()
    codes = {await call(damaged(chance, whole)).code() for _ in range(REQUESTS)}
    assert {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT} <= codes <= ANSWERS
    await still_serves(served)


async def test_streams_of_any_requests_are_answered_or_refused(served: Served) -> None:
    chance = random.Random(3)
    await still_serves(served)
    tasks, threads = len(asyncio.all_tasks()), threading.active_count()
    for _ in range(STREAMS):
        requests = [config(**PCM)] if chance.random() < 0.7 else []
        requests += in_chunks(speech().tobytes()[: chance.randrange(64_000)], chance.choice((999, 3_200, 32_000)))
        for _ in range(chance.randrange(3)):
            requests.insert(chance.randrange(len(requests) + 1), wild(chance, riva_asr_pb2.StreamingRecognizeRequest()))
        call = served.stub.StreamingRecognize(iter(requests))
        if chance.random() < 0.3:
            await asyncio.sleep(chance.random() / 100)
            call.cancel()
            continue
        with contextlib.suppress(grpc.aio.AioRpcError):  # The client may lose its status, see `failure`.
            async for response in call:
                assert len(response.results) == 1
    await still_serves(served)
    assert {"OK", "INVALID_ARGUMENT"} <= answers(served, "StreamingRecognize")
    assert answers(served, "StreamingRecognize") <= {*(code.name for code in ANSWERS), "CANCELLED"}
    await until(lambda: len(asyncio.all_tasks()) <= tasks)
    assert threading.active_count() <= threads + 16, "as many as the loop's pool has"


def answers(served: Served, method: str) -> set[str]:
    """Return the codes that the server has counted."""
    return {
        sample.labels["code"]
        for family in served.metrics.registry.collect()
        for sample in family.samples
        if sample.name == "whisper_server_requests_total" and sample.labels["method"] == method
    }


@pytest.mark.parametrize("content", [b"\xff", b"\x12\xff\xff\xff\xff\x7f", b"\x0a\x02\x0a\xff"])
async def test_bytes_that_are_no_request_end_their_stream_alone(served: Served, content: bytes) -> None:
    call = served.channel.stream_stream(f"/{SERVICE}/StreamingRecognize")(
        iter([config(**PCM).SerializeToString(), content])
    )
    assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (await call.details()).startswith("a request of the stream cannot be read: ")
    await still_serves(served)
