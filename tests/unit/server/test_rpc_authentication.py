"""Tokens over gRPC: which calls need one, and what a call without one is told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from riva.client.proto import riva_asr_pb2

from tests.unit.server.conftest import Serve, Served, recognize_request
from tests.unit.server.waiting import until
from whisper_server.operations.logs import RequestIdFilter

TOKEN = (("authorization", "Bearer secret-of-ada"),)


@pytest.fixture
async def guarded(serve: Serve, tmp_path: Path) -> Served:
    path = tmp_path / "tokens"
    path.write_text("ada:secret-of-ada\n")
    return await serve(tokens_file=path, allow_tokens_without_tls=True)


def recognize(served: Served, metadata: Any) -> Any:
    return served.stub.Recognize(recognize_request(), metadata=metadata)


async def stream(served: Served, metadata: Any) -> Any:
    call = served.stub.StreamingRecognize(metadata=metadata)
    await call.write(riva_asr_pb2.StreamingRecognizeRequest(audio_content=b"..."))
    return await call.read()


def reflect(served: Served, metadata: Any) -> Any:
    stub = reflection_pb2_grpc.ServerReflectionStub(served.channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    return stub.ServerReflectionInfo(iter([request]), metadata=metadata).read()


@pytest.mark.parametrize("call", [recognize, stream, reflect])
@pytest.mark.parametrize("metadata", [(), (("authorization", "Bearer guess"),)])
async def test_a_call_without_a_known_token_is_unauthenticated(
    guarded: Served, call: Callable[..., Any], metadata: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(guarded, metadata)
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert "token" in refused.value.details()
    assert guarded.engine.requests == []
    assert "guess" not in caplog.text


async def test_a_call_with_a_token_is_served_and_its_caller_is_named_in_the_log(
    guarded: Served, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "whisper_server")
    caplog.handler.addFilter(RequestIdFilter())
    assert (await recognize(guarded, TOKEN)).results
    assert await reflect(guarded, TOKEN)
    (record,) = [record for record in caplog.records if "Recognize" in record.message]
    assert vars(record)["caller"] == "ada"
    assert "secret" not in caplog.text


async def test_health_needs_no_token(guarded: Served) -> None:
    answer = await health_pb2_grpc.HealthStub(guarded.channel).Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_refused_call_is_counted_under_its_method(guarded: Served) -> None:
    with pytest.raises(grpc.aio.AioRpcError):
        await recognize(guarded, ())
    await until(
        lambda: guarded.metric("whisper_server_requests_total", method="Recognize", code="UNAUTHENTICATED") == 1
    )


async def test_a_method_that_does_not_exist_makes_no_metric(guarded: Served) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await guarded.channel.unary_unary("/no.such.Service/Guess")(b"")
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "Guess" not in guarded.metrics.expose().decode()
