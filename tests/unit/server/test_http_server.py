"""The HTTP port: its limits, TLS, and its end."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from tests.cluster.certificates import Authority
from tests.unit.server.conftest import MODEL
from tests.unit.server.http_server import HttpServed, serving_http
from tests.unit.server.http_wire import BODY, wire_to
from tests.unit.server.test_tls import HOST, mount, settings_of
from tests.unit.server.waiting import until
from whisper_server.configuration.reading import parse_settings
from whisper_server.configuration.values import SettingsError

GET = b"GET /v1/models HTTP/1.1\r\nHost: test\r\n"


@pytest.fixture
async def served() -> AsyncIterator[HttpServed]:
    async with serving_http() as running:
        yield running


def test_the_port_and_the_alias_can_be_turned_off() -> None:
    settings = parse_settings(["--model", "/m", "--http-port", "off", "--http-model-alias", ""], {})
    assert (settings.http_port, settings.http_model_alias) == (None, ())
    with pytest.raises(SettingsError, match="--http-port: '-1' is not a whole number from 0 to 65535"):
        parse_settings(["--model", "/m", "--http-port", "-1"], {})


async def test_without_an_alias_only_the_models_own_names_are_known() -> None:
    model = replace(MODEL, names=("a", "org/b"), created=1_700_000_000)
    async with serving_http(model, http_model_alias=()) as served:
        told = {"object": "model", "created": 1_700_000_000, "owned_by": "whisper-operator"}
        listed = await served.ask("GET", "/v1/models")
        assert listed.document == {"object": "list", "data": [{"id": "a", **told}, {"id": "org/b", **told}]}
        for path in ("/v1/models/org/b", "/v1/models/org%2Fb"):
            assert (await served.ask("GET", path)).document == {"id": "org/b", **told}
        assert (await served.ask("GET", "/v1/models/whisper-1")).status == 404
        assert (await served.post({"model": "whisper-1"})).status == 404
        assert (await served.post({"model": "org/b"})).status == 200


async def test_a_port_that_is_taken_is_an_error(served: HttpServed) -> None:
    with pytest.raises(OSError, match="address already in use"):
        async with serving_http(http_port=served.port):
            pass


NO_REQUESTS = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
    "no version": b"GET\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a long header": GET + b"X-Long: " + b"x" * 100_000 + b"\r\n\r\n",
    "many headers": GET + b"X-Many: x\r\n" * 1_000 + b"\r\n",
    "a long address": b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: test\r\n\r\n",
    "two lengths": GET + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a negative length": GET + b"Content-Length: -1\r\n\r\n",
    "a header without a colon": GET + b"secret\r\n\r\n",
}


@pytest.mark.parametrize("kind", NO_REQUESTS)
async def test_what_is_no_request_is_400_and_the_connection_ends(
    served: HttpServed, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with wire_to(served) as wire:
        wire.send(NO_REQUESTS[kind])
        assert (await wire.end()).startswith((b"HTTP/1.0 400 ", b"HTTP/1.1 400 "))
    assert (await served.ask("GET", "/v1/models")).status == 200
    assert {record.levelno for record in caplog.records} == {logging.INFO}
    assert not any(record.exc_info for record in caplog.records)
    assert "xxx" not in caplog.text
    assert "secret" not in caplog.text


async def test_a_chunked_body_that_is_none_is_an_error_and_no_defect(served: HttpServed) -> None:
    async with wire_to(served) as wire:
        wire.send_head()
        wire.send(BODY)
        assert await wire.status() == 200
    head = (
        b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: t\r\nContent-Type: multipart/form-data; boundary=frontier\r\n"
    )
    async with wire_to(served) as wire:
        wire.send(head + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n\r\n")
        assert (await wire.status()) == 400
    assert served.metric("whisper_server_requests_total", method="createTranscription", code="500") == 0


async def test_a_connection_that_asks_nothing_is_closed() -> None:
    async with (
        serving_http(http_keepalive_seconds=0.2) as served,
        wire_to(served) as silent,
        wire_to(served) as slow,
        wire_to(served) as idle,
    ):
        slow.send(GET)
        idle.send(GET + b"\r\n")
        assert await idle.status() == 200
        assert await silent.end() == b""
        assert await slow.end() == b"", "the head never ends"
        await idle.end()


async def test_one_connection_too_many_is_closed_and_the_others_stay() -> None:
    async with serving_http(http_max_connections=2) as served, wire_to(served) as first, wire_to(served) as second:
        for wire in (first, second):
            wire.send(GET + b"\r\n")
            assert await wire.status() == 200
        async with wire_to(served) as third:
            assert await third.end() == b""
        first.writer.close()
        async with asyncio.timeout(240):
            while not await is_served(served):
                pass


async def is_served(served: HttpServed) -> bool:
    """Return whether a new connection is answered."""
    async with wire_to(served) as wire:
        wire.send(GET + b"Connection: close\r\n\r\n")
        return b" 200 " in await wire.end()


async def test_while_it_is_about_to_end_requests_are_served_and_connections_closed(served: HttpServed) -> None:
    async with wire_to(served) as kept:
        kept.send(GET + b"\r\n")
        assert "Connection: close" not in await kept.head()
        served.server.announce_end()
        await kept.reader.readuntil(b"}]}")
        kept.send(GET + b"\r\n")
        assert "Connection: close" in await kept.head()
        await kept.end()
    async with wire_to(served) as new:
        new.send(GET + b"\r\n")
        assert "Connection: close" in await new.head()


async def test_its_end_waits_for_requests_in_flight_and_for_uploads(served: HttpServed) -> None:
    served.engine.gate.clear()
    async with wire_to(served) as working, wire_to(served) as sending:
        for wire, sent in ((working, BODY), (sending, BODY[:100])):
            wire.send_head()
            wire.send(sent)
        await until(lambda: served.metric("whisper_server_requests_in_progress") == 2)
        await until(lambda: served.engine.requests)
        stopping = asyncio.create_task(served.server.stop(30))
        await asyncio.sleep(0)
        sending.send(BODY[100:])
        await until(lambda: len(served.engine.requests) == 2)
        served.engine.gate.set()
        assert await working.status() == 200
        assert await sending.status() == 200
        await stopping
    with pytest.raises(ConnectionRefusedError):
        async with wire_to(served):
            pass


async def test_its_end_gives_up_what_takes_longer_than_the_grace(served: HttpServed) -> None:
    served.engine.gate.clear()
    async with wire_to(served) as wire:
        wire.send_head()
        wire.send(BODY)
        await until(lambda: served.engine.requests)
        await asyncio.wait_for(served.server.stop(0.1), 240)
        assert served.engine.given_up == 1
        assert await wire.end() == b""


async def test_tls_and_mutual_tls_serve_those_who_trust_and_are_trusted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    company, stranger = Authority(tmp_path / "company"), Authority(tmp_path / "stranger")
    files = mount(tmp_path / "tls", company.issue("server", addresses=[HOST]), clients=company)
    async with serving_http(MODEL, **settings_of(files)) as served:

        async def models(trusted: Authority, client: Authority | None) -> int:
            context = ssl.create_default_context(cafile=trusted.certificate)
            if client is not None:
                pair = client.issue("client")
                context.load_cert_chain(pair.certificate, pair.key)
            async with served.session.get(f"https://{HOST}:{served.port}/v1/models", ssl=context) as response:
                return response.status

        assert await models(company, company) == 200
        for trusted, client in ((stranger, company), (company, stranger), (company, None)):
            with pytest.raises(aiohttp.ClientConnectionError):
                await models(trusted, client)
        mount(tmp_path / "tls", stranger.issue("server", addresses=[HOST]), clients=stranger)
        assert await models(stranger, stranger) == 200
