"""A whole HTTP server over loopback, a fake engine behind it."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.unit.server.conftest import MODEL, RECORDING, loopback_settings
from tests.unit.server.fakes import FakeEngine
from whisper_server.admission import Admission
from whisper_server.audio.limits import DecodeLimits
from whisper_server.audio.spool import Spool
from whisper_server.http.openai import openai_server
from whisper_server.http.server import HttpServer
from whisper_server.operations.metrics import Metrics
from whisper_server.security.secured import Security
from whisper_server.served_model import ServedModel
from whisper_server.transcriber import Transcriber

TRANSCRIPTIONS = "/v1/audio/transcriptions"
TRANSLATIONS = "/v1/audio/translations"

Fields = Mapping[str, str | list[str]]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    document: Any

    @property
    def error(self) -> dict[str, Any]:
        """Return what OpenAI's clients read of a failure."""
        assert set(self.document) == {"error"}
        assert set(self.document["error"]) == {"message", "type", "param", "code"}
        return dict(self.document["error"])


@dataclass
class HttpServed:
    """A running server, and a client's session with it."""

    engine: FakeEngine
    metrics: Metrics
    server: HttpServer
    port: int
    session: aiohttp.ClientSession

    async def ask(self, method: str, path: str, **request: Any) -> Reply:
        """Send any request."""
        async with self.session.request(method, path, **request) as response:
            body = await response.read()
            document = json.loads(body) if body and response.content_type == "application/json" else None
            return Reply(response.status, response.headers, body, document)

    async def post(self, fields: Fields | None = None, audio: bytes = RECORDING, path: str = TRANSCRIPTIONS) -> Reply:
        """Send a form, its fields before its file."""
        form = aiohttp.FormData()
        add_fields(form, fields or {})
        form.add_field("file", audio, filename="recording.wav")
        return await self.ask("POST", path, data=form)

    def metric(self, name: str, **labels: str) -> float:
        """Return a sample's value; 0 when there is none yet."""
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


def add_fields(form: aiohttp.FormData, fields: Fields) -> None:
    """Add fields to a form; those that are lists come several times."""
    for name, value in fields.items():
        for text in value if isinstance(value, list) else [value]:
            form.add_field(name, text)


@asynccontextmanager
async def serving_http(model: ServedModel = MODEL, **settings: Any) -> AsyncIterator[HttpServed]:
    """Serve a fake engine on a free port."""
    chosen = loopback_settings(**settings)
    engine, metrics = FakeEngine(), Metrics()
    admission = Admission(chosen.max_requests, metrics, chosen.max_streams)
    limits = DecodeLimits(chosen.max_audio_seconds, spool=Spool(chosen.spool_directory, chosen.max_spool_bytes))
    transcriber = Transcriber(engine, admission, limits, metrics)
    server = openai_server(chosen, transcriber, model, metrics, Security.open(chosen, metrics))
    assert server is not None
    port = await server.start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            yield HttpServed(engine, metrics, server, port, session)
    finally:
        await server.stop(0)
