"""What a caller of gRPC may send, hold and take its time for, before it is told so or given up."""

import asyncio
import gc
from dataclasses import replace
from typing import Any

import grpc
import pytest
from riva.client.proto import riva_asr_pb2

from tests.unit.server.conftest import Serve, Served, recognize_request
from tests.unit.server.fakes import HELLO
from tests.unit.server.waiting import until
from whisper_server.transcriber import Job


def begin_stream(served: Served) -> Any:
    begin = riva_asr_pb2.StreamingRecognitionConfig(config={})
    call = served.stub.StreamingRecognize()
    return call, call.write(riva_asr_pb2.StreamingRecognizeRequest(streaming_config=begin))


async def test_a_full_queue_refuses_before_anything_is_decoded(served: Served) -> None:
    served.engine.is_full = True
    call = served.stub.Recognize(recognize_request(b"not even looked at"))
    assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert await call.details() == "the model has as much to do as may wait: try again later"
    assert int(dict(await call.trailing_metadata())["grpc-retry-pushback-ms"]) > 0


async def test_one_stream_more_than_allowed_is_refused(serve: Serve) -> None:
    served = await serve(max_streams=0)
    call, begun = begin_stream(served)
    await begun
    assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "live streams" in await call.details()


async def test_a_stream_that_sends_nothing_is_ended(serve: Serve) -> None:
    served = await serve(idle_timeout_seconds=1)
    call, begun = begin_stream(served)
    await begun
    assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert (await call.details()).startswith("nothing came for 1 s")
    await until(lambda: served.metric("whisper_server_active_streams") == 0)


@pytest.mark.parametrize("method", ["Recognize", "GetRivaSpeechRecognitionConfig"])
async def test_bytes_that_are_no_message_are_the_callers_mistake(
    served: Served, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    call = served.channel.unary_unary(f"/nvidia.riva.asr.RivaSpeechRecognition/{method}")(b"\xff\xff")
    assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert await call.details() == "the request is no message of this method: it cannot be parsed"
    # Counted once the server's side of the call is over, which its caller may be before.
    await until(lambda: served.metric("whisper_server_requests_total", method=method, code="INVALID_ARGUMENT") == 1)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_unary_call_whose_message_does_not_come_is_ended_at_its_deadline(serve: Serve) -> None:
    served = await serve(default_deadline_seconds=1)
    call = served.channel.stream_unary("/nvidia.riva.asr.RivaSpeechRecognition/Recognize")()
    assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await until(
        lambda: served.metric("whisper_server_requests_total", method="Recognize", code="DEADLINE_EXCEEDED") == 1
    )


async def test_a_unary_call_without_a_message_is_refused(served: Served) -> None:
    call = served.channel.stream_unary("/nvidia.riva.asr.RivaSpeechRecognition/Recognize")()
    await call.done_writing()
    assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert await call.details() == "the call ended before its request came"


async def test_a_unary_answer_that_is_not_read_is_given_up(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "whisper_server")
    served = await serve(write_timeout_seconds=1)
    long = replace(HELLO.segments[0], text="word " * 4_000_000, words=())
    served.engine.answer = replace(HELLO, segments=(long,))
    options = (("grpc.http2.lookahead_bytes", 0), ("grpc.http2.bdp_probe", 0), ("grpc.max_receive_message_length", -1))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{served.port}", options) as channel:
        method = channel.unary_stream("/nvidia.riva.asr.RivaSpeechRecognition/Recognize")
        call = method(recognize_request().SerializeToString())
        await until(lambda: "a call is given up: the answers were not read for 1 s" in caplog.text)
        call.cancel()


async def test_more_metadata_than_allowed_is_refused(serve: Serve) -> None:
    served = await serve(max_metadata_bytes=1_024)
    call = served.stub.Recognize(recognize_request(), metadata=(("x-long", "x" * 2_000),))
    assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert served.engine.requests == []
    assert (await served.recognize()).results


async def test_one_connection_more_than_allowed_is_closed(serve: Serve) -> None:
    served = await serve(grpc_max_connections=1)
    assert (await served.recognize()).results
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    assert await asyncio.wait_for(reader.read(1), 240) == b""
    writer.close()
    assert (await served.recognize()).results


async def test_one_call_more_than_a_connection_may_have_waits_for_its_turn(serve: Serve) -> None:
    served = await serve(grpc_max_concurrent_streams=1)
    await served.recognize()
    served.engine.gate.clear()
    first = asyncio.create_task(served.recognize())
    await until(lambda: len(served.engine.requests) == 2)
    second = asyncio.create_task(served.recognize())
    await asyncio.sleep(0.1)
    assert len(served.engine.requests) == 2
    served.engine.gate.set()
    assert (await first).results
    assert (await second).results


async def test_a_call_that_outlasts_the_grace_of_an_old_connection_is_cut_off(serve: Serve) -> None:
    served = await serve(max_connection_age_seconds=1, max_connection_age_grace_seconds=1)
    served.engine.gate.clear()
    call = served.stub.Recognize(recognize_request())
    assert await call.code() is grpc.StatusCode.UNAVAILABLE
    await until(lambda: served.engine.given_up == 1)


@pytest.mark.parametrize("field", ["language_code", "model", "beam_size", "source_language", "target_language"])
async def test_a_refusal_repeats_little_of_what_was_sent(
    served: Served, caplog: pytest.LogCaptureFixture, field: str
) -> None:
    caplog.set_level("INFO", "whisper_server")
    long = "long " * 40_000
    config = {field: long} if field in ("language_code", "model") else {"custom_configuration": {field: long}}
    code, details = await served.refusal(**config)
    assert code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND)
    assert len(details) < 2_000
    assert len(caplog.text) < 4_000


async def test_a_refused_request_is_let_go_at_once(served: Served) -> None:
    gc.collect()
    gc.disable()
    try:
        before = jobs()  # Those that errors of other tests hold; held here, so that none of them goes meanwhile.
        for _ in range(3):
            assert (await served.refusal(b"garbage" * 1_000))[0] is grpc.StatusCode.INVALID_ARGUMENT
        # The server lets go when its side of the call is over, which the client does not wait for.
        await until(lambda: len(jobs()) == len(before))
    finally:
        gc.enable()


def jobs() -> list[Job]:
    return [one for one in gc.get_objects() if isinstance(one, Job)]
