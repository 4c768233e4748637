"""What every gRPC server is expected to have: health, reflection, connection management, an orderly end."""

import asyncio
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.unit.server.conftest import MODEL, Serve, Served, loopback_settings, recognize_request, serving
from tests.unit.server.waiting import until
from whisper_server.rpc import riva, transcription

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


async def health_of(served: Served, service: str) -> int:
    stub = health_pb2_grpc.HealthStub(served.channel)
    return int((await stub.Check(health_pb2.HealthCheckRequest(service=service))).status)


async def reflect(served: Served, **request: str) -> Any:
    stub = reflection_pb2_grpc.ServerReflectionStub(served.channel)
    async for response in stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(**request)])):
        return response
    raise AssertionError("no answer")


@pytest.mark.parametrize("service", ["", "nvidia.riva.asr.RivaSpeechRecognition", "whisper.v1.Transcription"])
async def test_health_is_serving_under_all_names_and_ends_at_once(served: Served, service: str) -> None:
    assert await health_of(served, service) == SERVING
    await served.server.announce_end()
    assert await health_of(served, service) == NOT_SERVING
    assert (await served.recognize()).results, "calls are still taken"


async def test_reflection_lists_the_services_and_knows_their_messages(served: Served) -> None:
    listed = await reflect(served, list_services="")
    assert {service.name for service in listed.list_services_response.service} == {
        "nvidia.riva.asr.RivaSpeechRecognition",
        "whisper.v1.Transcription",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    for service in (riva.SERVICE, transcription.SERVICE):
        described = await reflect(served, file_containing_symbol=service)
        assert described.file_descriptor_response.file_descriptor_proto


@pytest.mark.parametrize(
    "method", ["grpc.health.v1.Health/Watch", "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"]
)
async def test_what_cannot_be_parsed_is_its_callers_trouble(
    served: Served, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    call = served.channel.stream_stream(f"/{method}")(iter([b"\xff\xff"]))
    assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert not [record for record in caplog.records if record.exc_info]


async def test_stopping_lets_a_call_in_flight_finish_and_takes_no_new_one(served: Served) -> None:
    served.engine.gate.clear()
    in_flight = asyncio.create_task(served.recognize())
    await until(lambda: served.engine.requests)
    stopping = asyncio.create_task(served.server.stop(30))
    await asyncio.sleep(0.1)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await served.stub.Recognize(recognize_request(), timeout=240)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert not stopping.done()
    served.engine.gate.set()
    assert (await in_flight).results
    await stopping


async def test_a_call_that_outlasts_the_grace_is_cut_off(served: Served) -> None:
    served.engine.gate.clear()
    in_flight = asyncio.create_task(served.recognize())
    await until(lambda: served.engine.requests)
    await served.server.stop(0.2)
    with pytest.raises((grpc.aio.AioRpcError, asyncio.CancelledError)):
        await in_flight


async def test_a_watch_of_its_health_hears_of_the_end_and_does_not_hold_it_up(served: Served) -> None:
    watch = health_pb2_grpc.HealthStub(served.channel).Watch(health_pb2.HealthCheckRequest())
    assert (await watch.read()).status == SERVING
    await served.server.announce_end()
    assert (await watch.read()).status == NOT_SERVING
    async with asyncio.timeout(240):
        await served.server.stop(3600)
    assert await watch.read() is grpc.aio.EOF


async def test_a_watch_that_is_given_up_leaves_nothing_running(served: Served) -> None:
    def watching() -> bool:
        return any("Watch" in str(task.get_coro()) for task in asyncio.all_tasks())

    watch = health_pb2_grpc.HealthStub(served.channel).Watch(health_pb2.HealthCheckRequest())
    await watch.read()
    assert watching()
    watch.cancel()
    await until(lambda: not watching())


async def test_old_connections_are_asked_to_reconnect_and_their_calls_finish(serve: Serve) -> None:
    served = await serve(max_connection_age_seconds=1)
    await served.channel.channel_ready()
    served.engine.gate.clear()
    in_flight = asyncio.create_task(served.recognize())
    async with asyncio.timeout(240):
        state = served.channel.get_state()
        while state is grpc.ChannelConnectivity.READY:
            await served.channel.wait_for_state_change(state)
            state = served.channel.get_state()
    served.engine.gate.set()
    assert (await in_flight).results
    assert (await served.recognize()).results


@pytest.mark.parametrize("host", ["", "127.0.0.1", "localhost", "::"])
async def test_it_listens_where_it_is_told_to(host: str) -> None:
    async with serving(MODEL, loopback_settings(host=host)) as served:
        assert (await served.recognize()).results


async def test_a_port_that_is_taken_is_said_in_a_sentence(unused_tcp_port: int) -> None:
    settings = loopback_settings(grpc_port=unused_tcp_port)
    async with serving(MODEL, settings):
        with pytest.raises(OSError, match="is another server running there"):
            async with serving(MODEL, settings):
                pass


async def test_a_recording_is_counted_with_its_length_and_how_fast_it_was(served: Served) -> None:
    await served.recognize()
    assert served.metric("whisper_server_audio_seconds_total") == 2
    assert served.metric("whisper_server_real_time_factor_count") == 1
    assert served.metric("whisper_server_request_seconds_count", method="Recognize") == 1
    with pytest.raises(grpc.aio.AioRpcError):
        await served.recognize(b"no audio")
    assert served.metric("whisper_server_real_time_factor_count") == 1
