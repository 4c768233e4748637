"""The life of the process, from loading to the last call, with an engine of the test's own."""

import asyncio
import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from riva.client.proto import riva_asr_pb2, riva_asr_pb2_grpc

from tests.unit.server.audio_files import tone, wav
from tests.unit.server.conftest import loopback_settings, recognize_request
from tests.unit.server.fakes import FakeEngine
from tests.unit.server.waiting import until
from whisper_contract.reasons import EXIT_RETRY, EXIT_USAGE
from whisper_contract.termination import TerminationMessage
from whisper_server.api import transcription_pb2, transcription_pb2_grpc
from whisper_server.artifact import Artifact, open_artifact
from whisper_server.cli import serve_artifact
from whisper_server.configuration.settings import Settings
from whisper_server.engine.interface import Engine, EngineError
from whisper_server.engine.schedule.errors import BrokenRunnerError
from whisper_server.operations.engine_metrics import EngineMetrics
from whisper_server.serve import BrokenError, WarmUpError, serve


class Life:
    """A server in this process, whose loading and working the test commands."""

    def __init__(self, artifact: Artifact, caplog: pytest.LogCaptureFixture, **settings: Any) -> None:
        caplog.set_level(logging.INFO, "whisper_server")
        self._records = caplog.records
        self.engine = FakeEngine()
        self.loaded = asyncio.Event()
        self.load_error: EngineError | None = None
        self.task = asyncio.create_task(serve(loopback_settings(**settings), artifact, self._load))

    async def _load(self, settings: Settings, artifact: Artifact, _observer: EngineMetrics) -> Engine:
        await self.loaded.wait()
        if self.load_error:
            raise self.load_error
        return self.engine

    async def port(self, name: str, message: str) -> int:
        """Return the port that a line of the log tells, once it is there."""
        await until(lambda: self.task.done() or any(record.message.startswith(message) for record in self._records))
        return int(next(vars(record)[name] for record in self._records if record.message.startswith(message)))

    async def probe(self, path: str) -> int:
        port = await self.port("probe_port", "loading ")
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as response:
            return response.status

    async def channel(self) -> Any:
        return grpc.aio.insecure_channel(f"127.0.0.1:{await self.port('grpc_port', 'ready')}")

    def terminate(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture
def artifact(published_artifact: Path) -> Artifact:
    return open_artifact(published_artifact)


@pytest.fixture(autouse=True)
def default_signals() -> Iterator[None]:
    """Give the signals back to pytest."""
    before = [(number, signal.getsignal(number)) for number in (signal.SIGTERM, signal.SIGINT)]
    yield
    for number, handler in before:
        signal.signal(number, handler)


async def test_probes_answer_while_the_model_is_loaded(artifact: Artifact, caplog: pytest.LogCaptureFixture) -> None:
    life = Life(artifact, caplog, drain_delay_seconds=0)
    assert await life.probe("/health/startup") == 503
    assert await life.probe("/health/ready") == 503
    assert await life.probe("/health/live") == 200
    life.loaded.set()
    await life.port("grpc_port", "ready")
    assert await life.probe("/health/startup") == 200
    assert await life.probe("/health/ready") == 200
    life.terminate()
    await life.task


async def test_it_is_ready_only_after_the_bundled_clip(artifact: Artifact, caplog: pytest.LogCaptureFixture) -> None:
    life = Life(artifact, caplog, drain_delay_seconds=0)
    life.engine.gate.clear()
    life.loaded.set()
    await until(lambda: life.engine.requests)
    assert await life.probe("/health/ready") == 503
    life.engine.gate.set()
    await life.port("grpc_port", "ready")
    assert await life.probe("/health/ready") == 200
    life.terminate()
    await life.task


async def test_a_model_that_cannot_be_loaded_ends_it(artifact: Artifact, caplog: pytest.LogCaptureFixture) -> None:
    life = Life(artifact, caplog)
    life.load_error = EngineError("device cuda cannot be used: no driver")
    life.loaded.set()
    with pytest.raises(WarmUpError, match=r"^device cuda cannot be used: no driver$"):
        await life.task


async def test_a_clip_that_cannot_be_transcribed_ends_it(artifact: Artifact, caplog: pytest.LogCaptureFixture) -> None:
    life = Life(artifact, caplog)
    life.engine.error = RuntimeError("Library libcublas.so.12 is not found")
    life.loaded.set()
    with pytest.raises(WarmUpError, match="the bundled clip cannot be transcribed on cpu: Library libcublas"):
        await life.task


async def test_a_signal_while_loading_ends_it_at_once(artifact: Artifact, caplog: pytest.LogCaptureFixture) -> None:
    life = Life(artifact, caplog)
    await life.probe("/health/live")
    life.terminate()
    await asyncio.wait_for(life.task, 240)


async def test_a_signal_drains_and_calls_in_flight_finish(artifact: Artifact, caplog: pytest.LogCaptureFixture) -> None:
    life = Life(artifact, caplog, drain_delay_seconds=5, max_connection_age_seconds=0)
    life.loaded.set()
    async with await life.channel() as channel:
        stub = riva_asr_pb2_grpc.RivaSpeechRecognitionStub(channel)
        health = health_pb2_grpc.HealthStub(channel)
        life.engine.gate.clear()
        in_flight = stub.Recognize(recognize_request())
        await until(lambda: len(life.engine.requests) == 2)
        life.terminate()
        await until(lambda: "ending" in caplog.text)
        assert await life.probe("/health/ready") == 503
        assert await life.probe("/health/live") == 200
        answer = await health.Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING
        late = stub.Recognize(recognize_request())
        await until(lambda: len(life.engine.requests) == 3)
        life.engine.gate.set()
        assert (await in_flight).results
        assert (await late).results, "new calls are taken until endpoints have changed"
    await life.task


async def test_it_does_not_end_before_its_clients_have_left(
    artifact: Artifact, caplog: pytest.LogCaptureFixture
) -> None:
    life = Life(artifact, caplog, drain_delay_seconds=1, max_connection_age_seconds=3600)
    life.loaded.set()
    async with await life.channel() as channel:
        stub = riva_asr_pb2_grpc.RivaSpeechRecognitionStub(channel)
        await stub.Recognize(recognize_request())
        life.terminate()
        await until(lambda: "ending" in caplog.text)
        # Longer than the delay and than any look at the connections.
        await asyncio.sleep(2)
        assert (await stub.Recognize(recognize_request())).results
    await asyncio.wait_for(life.task, 240)


async def test_it_waits_no_longer_for_its_clients_than_until_all_have_been_asked_to_leave(
    artifact: Artifact, caplog: pytest.LogCaptureFixture
) -> None:
    life = Life(artifact, caplog, drain_delay_seconds=1, max_connection_age_seconds=1, grace_seconds=0)
    life.loaded.set()
    port = await life.port("grpc_port", "ready")
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    life.terminate()
    await asyncio.wait_for(life.task, 240)
    writer.close()
    await writer.wait_closed()


async def test_requests_over_http_are_taken_and_finished_like_calls(
    artifact: Artifact, caplog: pytest.LogCaptureFixture
) -> None:
    life = Life(artifact, caplog, drain_delay_seconds=3600)
    life.loaded.set()
    address = f"http://127.0.0.1:{await life.port('http_port', 'ready')}"

    async def transcribe() -> tuple[str, str | None]:
        form = aiohttp.FormData()
        form.add_field("file", recognize_request().audio, filename="recording.wav")
        path = "/v1/audio/transcriptions"
        async with aiohttp.ClientSession(address) as session, session.post(path, data=form) as response:
            return (await response.json())["text"], response.headers.get("Connection")

    life.engine.gate.clear()
    in_flight = asyncio.create_task(transcribe())
    await until(lambda: len(life.engine.requests) == 2)
    life.terminate()
    await until(lambda: "ending" in caplog.text)
    late = asyncio.create_task(transcribe())
    await until(lambda: len(life.engine.requests) == 3)
    life.engine.gate.set()
    assert await in_flight == await late == ("Hello there. And bye.", "close")
    life.terminate()
    await life.task


async def test_what_is_set_bounds_its_calls(artifact: Artifact, caplog: pytest.LogCaptureFixture) -> None:
    life = Life(
        artifact,
        caplog,
        drain_delay_seconds=0,
        max_audio_seconds=3,
        max_requests=1,
        max_streams=0,
        max_upload_bytes=32_000,
        max_message_bytes=100_000,
        idle_timeout_seconds=1,
    )
    life.loaded.set()
    async with await life.channel() as channel:
        stub = riva_asr_pb2_grpc.RivaSpeechRecognitionStub(channel)

        async def trouble(call: Any) -> tuple[grpc.StatusCode, str]:
            return await call.code(), await call.details()

        code, words = await trouble(stub.Recognize(recognize_request(wav(tone(8_000, seconds=4), 8_000))))
        assert (code, words.partition(":")[0]) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "the audio is longer than the 3 s that a request may hold",
        )
        begin = riva_asr_pb2.StreamingRecognizeRequest(streaming_config={"config": {}})
        code, words = await trouble(stub.StreamingRecognize(iter([begin])))
        assert (code, "0 live streams" in words) == (grpc.StatusCode.RESOURCE_EXHAUSTED, True)
        uploads = transcription_pb2_grpc.TranscriptionStub(channel)
        detailed = wav(tone(48_000, seconds=2), 48_000)
        piece = transcription_pb2.TranscribeRequest
        pieces = [piece(config={}), piece(audio=detailed[:60_000]), piece(audio=detailed[60_000:120_000])]
        upload = uploads.Transcribe(iter(pieces))
        code, words = await trouble(upload)
        assert (code, words) == (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "the audio is larger than the 100000 bytes that a request may hold",
        )
        silent = uploads.Transcribe()
        await silent.write(transcription_pb2.TranscribeRequest(config={}))
        assert (await trouble(silent))[0] is grpc.StatusCode.DEADLINE_EXCEEDED
        life.engine.gate.clear()
        short = recognize_request()
        first = stub.Recognize(short)
        await until(lambda: len(life.engine.requests) == 2)
        code, words = await trouble(stub.Recognize(short))
        assert (code, "busy with 1 requests" in words) == (grpc.StatusCode.RESOURCE_EXHAUSTED, True)
        life.engine.gate.set()
        assert (await first).results
    life.terminate()
    await life.task


async def test_http_can_be_turned_off(artifact: Artifact, caplog: pytest.LogCaptureFixture) -> None:
    life = Life(artifact, caplog, drain_delay_seconds=0, http_port=None)
    life.loaded.set()
    await life.port("grpc_port", "ready")
    assert "HTTP on port" not in caplog.text
    life.terminate()
    await life.task


async def test_a_second_signal_does_not_wait(artifact: Artifact, caplog: pytest.LogCaptureFixture) -> None:
    life = Life(artifact, caplog, drain_delay_seconds=3600, grace_seconds=3600)
    life.loaded.set()
    await life.port("grpc_port", "ready")
    life.terminate()
    await until(lambda: "ending" in caplog.text)
    life.terminate()
    await asyncio.wait_for(life.task, 240)


async def test_a_broken_device_fails_its_calls_and_ends_the_server(
    artifact: Artifact, caplog: pytest.LogCaptureFixture
) -> None:
    life = Life(artifact, caplog)
    life.loaded.set()
    async with await life.channel() as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        life.engine.gate.clear()
        in_flight = riva_asr_pb2_grpc.RivaSpeechRecognitionStub(channel).Recognize(recognize_request())
        await until(lambda: len(life.engine.requests) == 2)
        life.engine.error = BrokenRunnerError("CUDA failed with error an illegal memory access was encountered")
        life.engine.broken.set()
        await until(lambda: "works no more" in caplog.text)
        assert await life.probe("/health/ready") == 503
        life.engine.gate.set()
        assert await in_flight.code() is grpc.StatusCode.UNAVAILABLE
        assert "try another server" in await in_flight.details()
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        with pytest.raises(BrokenError, match="the model failed on device cpu"):
            await asyncio.wait_for(life.task, 240)


async def test_a_device_that_breaks_while_it_drains_ends_it_at_once(
    artifact: Artifact, caplog: pytest.LogCaptureFixture
) -> None:
    life = Life(artifact, caplog, drain_delay_seconds=3600, grace_seconds=3600)
    life.loaded.set()
    await life.port("grpc_port", "ready")
    life.terminate()
    await until(lambda: "ending" in caplog.text)
    life.engine.broken.set()
    with pytest.raises(BrokenError):
        await asyncio.wait_for(life.task, 240)


def test_a_broken_device_is_told_to_kubelet(published_artifact: Path, tmp_path: Path) -> None:
    async def load(_settings: Settings, _artifact: Artifact, _observer: EngineMetrics) -> Engine:
        engine = FakeEngine()
        asyncio.get_running_loop().call_later(0.5, engine.broken.set)
        return engine

    log = tmp_path / "termination-log"
    log.touch()
    settings = loopback_settings(model=published_artifact, termination_log=log)
    assert serve_artifact(settings, load) == EXIT_RETRY
    message = TerminationMessage.parse(log.read_text())
    assert message is not None
    assert message.message == "the model failed on device cpu, which will not work again in this process"


def test_a_file_that_is_not_as_it_should_be_is_told_to_kubelet(published_artifact: Path, tmp_path: Path) -> None:
    log, tokens = tmp_path / "termination-log", tmp_path / "tokens"
    log.touch()
    tokens.write_text("# nobody yet\n")
    settings = loopback_settings(
        model=published_artifact, termination_log=log, tokens_file=tokens, allow_tokens_without_tls=True
    )
    assert serve_artifact(settings) == EXIT_USAGE
    message = TerminationMessage.parse(log.read_text())
    assert message is not None
    assert message.reason == "SpecInvalid"
    assert message.message.startswith(f"{tokens} holds no token")


async def test_probes_and_metrics_answer_while_64_callers_wait(
    artifact: Artifact, caplog: pytest.LogCaptureFixture
) -> None:
    life = Life(artifact, caplog, drain_delay_seconds=0)
    life.loaded.set()
    async with await life.channel() as channel:
        life.engine.gate.clear()
        stub = riva_asr_pb2_grpc.RivaSpeechRecognitionStub(channel)
        calls = [stub.Recognize(recognize_request()) for _ in range(64)]
        await until(lambda: len(life.engine.requests) == 65)
        assert [await life.probe(path) for path in ("/health", "/health/live", "/metrics")] == [200, 200, 200]
        life.engine.gate.set()
        assert all([(await call).results for call in calls])
    life.terminate()
    await life.task
