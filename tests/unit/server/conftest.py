"""A whole gRPC server over loopback, a fake engine behind it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from riva.client.proto import riva_asr_pb2, riva_asr_pb2_grpc

from tests.support.models import published_artifact
from tests.unit.server.audio_files import tone, wav
from tests.unit.server.fakes import FakeEngine
from whisper_server.admission import Admission
from whisper_server.audio.limits import DecodeLimits
from whisper_server.configuration.settings import Settings
from whisper_server.operations.metrics import Metrics
from whisper_server.patience import Patience
from whisper_server.profanity import ProfanityFilter
from whisper_server.rpc.calls import Calls
from whisper_server.rpc.riva import RivaSpeechRecognition
from whisper_server.rpc.server import RpcServer
from whisper_server.rpc.transcription import Transcription
from whisper_server.security.secured import Security
from whisper_server.served_model import ServedModel
from whisper_server.transcriber import Transcriber

__all__ = ["published_artifact"]

MODEL = ServedModel(
    ("small", "whisper-1"),
    "ab" * 32,
    ("en", "ko", "zh", "no", "de"),
    multilingual=True,
    times_words=True,
    device="cpu",
    compute_type="int8",
)
ENGLISH_ONLY = replace(
    MODEL, names=("tiny.en",), digest="cd" * 32, languages=("en",), multilingual=False, times_words=False
)
RECORDING = wav(tone())


def recognize_request(audio: bytes = RECORDING, **config: Any) -> Any:
    """Return a RecognizeRequest with the config's fields given by name."""
    return riva_asr_pb2.RecognizeRequest(config=riva_asr_pb2.RecognitionConfig(**config), audio=audio)


def loopback_settings(**settings: Any) -> Settings:
    """Return settings for a server of which only this machine can know, on free ports."""
    return Settings(
        **{"model": Path("/unused"), "host": "127.0.0.1", "grpc_port": 0, "http_port": 0, "probe_port": 0, **settings}
    )


@dataclass
class Served:
    """A running server, and a client's stub of it."""

    engine: FakeEngine
    metrics: Metrics
    server: RpcServer
    port: int
    channel: Any
    stub: Any

    async def recognize(self, audio: bytes = RECORDING, **config: Any) -> Any:
        """Call Recognize."""
        return await self.stub.Recognize(recognize_request(audio, **config))

    async def refusal(self, audio: bytes = RECORDING, **config: Any) -> tuple[grpc.StatusCode, str]:
        """Call Recognize, and return the status that it fails with."""
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.recognize(audio, **config)
        return caught.value.code(), caught.value.details()

    def metric(self, name: str, **labels: str) -> float:
        """Return a sample's value; 0 when there is none yet."""
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


Serve = Callable[..., Awaitable[Served]]


@asynccontextmanager
async def serving(model: ServedModel, settings: Settings) -> AsyncIterator[Served]:
    """Serve a fake engine with `settings` on a free port."""
    engine, metrics = FakeEngine(), Metrics()
    admission = Admission(settings.max_requests, metrics, settings.max_streams)
    transcriber = Transcriber(engine, admission, DecodeLimits(settings.max_audio_seconds), metrics)
    calls = Calls(metrics, Patience.of(settings))
    security = Security.open(settings, metrics)
    profanity = ProfanityFilter.read(settings.profanity_words_file) if settings.profanity_words_file else None
    services = (
        RivaSpeechRecognition(transcriber, model, calls, profanity).service(),
        Transcription(transcriber, model, settings, calls).service(),
    )
    server = RpcServer(settings, services, calls, security)
    port = await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Served(engine, metrics, server, port, channel, riva_asr_pb2_grpc.RivaSpeechRecognitionStub(channel))
    await server.stop(0)


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start servers with settings of the test's own; they end with it."""
    async with AsyncExitStack() as stack:

        async def start(model: ServedModel = MODEL, **settings: Any) -> Served:
            return await stack.enter_async_context(serving(model, loopback_settings(**settings)))

        yield start


@pytest.fixture
async def served(serve: Serve) -> Served:
    """A server with the default settings."""
    return await serve()
