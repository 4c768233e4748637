"""The page to try the model, as the server serves it: who gets it, what its WebSocket takes, and how that ends."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from tests.unit.server.audio_files import encode
from tests.unit.server.conftest import ENGLISH_ONLY, MODEL, RECORDING
from tests.unit.server.engines import recording
from tests.unit.server.http_server import HttpServed, serving_http
from tests.unit.server.waiting import until
from whisper_server.audio.samples import SAMPLE_RATE
from whisper_server.configuration.reading import parse_settings
from whisper_server.configuration.values import SettingsError
from whisper_server.engine.options import Task
from whisper_server.http.page.site import STATIC
from whisper_server.http.page.talk import MAX_MESSAGE_BYTES

TALK = "/page/talk"
FILE: dict[str, Any] = {"audio": "file"}
SPEECH: dict[str, Any] = {"audio": "speech", "sampleRate": 16_000}
FILES = {"/": "text/html", "/page/page.js": "text/javascript", "/page/page.css": "text/css"}


@pytest.fixture
async def served() -> AsyncIterator[HttpServed]:
    async with serving_http(http_page=True) as running:
        yield running


@asynccontextmanager
async def talking(served: HttpServed, **headers: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    origin = {"Origin": f"http://127.0.0.1:{served.port}"}
    async with served.session.ws_connect(TALK, headers={**origin, **headers}) as socket:
        yield socket


async def told(
    served: HttpServed, wish: dict[str, Any] | str, *audio: bytes | str, end: bool = True
) -> list[dict[str, Any]]:
    """What the server says to a whole conversation, but for its progress."""
    async with talking(served) as socket:
        await socket.send_str(wish if isinstance(wish, str) else json.dumps(wish))
        for piece in audio:
            await (socket.send_str(piece) if isinstance(piece, str) else socket.send_bytes(piece))
        if end:
            await socket.send_str("end")
        messages = [json.loads(message.data) async for message in socket]
    return [message for message in messages if message.get("type") != "progress"]


async def complaint(served: HttpServed, wish: dict[str, Any] | str, *audio: bytes | str) -> dict[str, Any]:
    """The error that a conversation ends with."""
    (message,) = await told(served, wish, *audio)
    return dict(message["error"])


async def ended(served: HttpServed, code: str) -> None:
    """Return once a conversation has ended with `code`."""
    await until(lambda: served.metric("whisper_server_requests_total", method="tryPageTalk", code=code) == 1)


@pytest.mark.parametrize("path", [*FILES, "/page/model", TALK])
async def test_without_the_setting_there_is_no_page(path: str) -> None:
    async with serving_http() as served:
        assert (await served.ask("GET", path)).error["code"] == "unknown_url"


def test_there_is_no_page_without_the_http_port() -> None:
    with pytest.raises(SettingsError, match="--http-page needs the HTTP port, and --http-port is off"):
        parse_settings(["--model", "/m", "--http-page", "--http-port", "off"], {})


@pytest.mark.parametrize("path", FILES)
async def test_its_files_forbid_the_browser_all_but_this_server(served: HttpServed, path: str) -> None:
    reply = await served.ask("GET", path)
    assert (reply.status, reply.headers["Content-Type"]) == (200, f"{FILES[path]}; charset=utf-8")
    policy = dict(part.strip().split(" ", 1) for part in reply.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["form-action"] == policy["base-uri"] == "'none'"
    assert all(value in ("'self'", "'none'", "'script'") for value in policy.values())
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Cache-Control"] == "no-cache"


async def test_its_many_files_are_not_told_by_the_log(served: HttpServed, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "whisper_server")
    await served.ask("GET", "/page/page.js")
    await served.ask("GET", "/page/model")
    assert [record.getMessage() for record in caplog.records] == ["tryPageModel 200"]


@pytest.mark.parametrize("file", sorted(path.name for path in STATIC.iterdir()))
def test_no_file_names_another_address_or_holds_what_the_policy_forbids(file: str) -> None:
    text = (STATIC / file).read_text().replace('xmlns="http://www.w3.org/2000/svg"', "")
    allowed = text.replace("http://localhost", "").replace("https:// ", "")
    assert "://" not in allowed
    for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "style=", "onclick="):
        assert forbidden not in text


async def test_the_page_is_told_what_the_model_can_do(served: HttpServed) -> None:
    reply = await served.ask("GET", "/page/model")
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.document["name"] == "small"
    assert reply.document["translates"]
    assert reply.document["listens"]
    assert reply.document["maxUploadBytes"] == 1024**3
    names = ["Chinese", "English", "German", "Korean", "Norwegian"]
    assert [language["name"] for language in reply.document["languages"]] == names


async def test_a_recording_brings_its_language_its_segments_and_their_captions(served: HttpServed) -> None:
    language, first, second, end = await told(
        served, {**FILE, "language": "en-US"}, RECORDING[:1_000], RECORDING[1_000:]
    )
    assert language == {"type": "language", "code": "en", "name": "English"}
    assert first["sentences"] == [{"text": "Hello there.", "start": 0.5, "end": 1.25}]
    assert first["language"] == "en"
    assert first["srt"] == "1\n00:00:00,500 --> 00:00:01,250\nHello there.\n\n"
    assert second["srt"].startswith("2\n00:00:01,500")
    assert end == {"type": "end", "seconds": 2.0}
    (heard,) = served.engine.requests
    assert heard.instructions.language == "en"
    assert heard.instructions.word_times
    await ended(served, "200")


@pytest.mark.parametrize("recording", [RECORDING, encode("flac", "flac")])
async def test_a_message_without_audio_is_no_end(served: HttpServed, recording: bytes) -> None:
    messages = await told(served, FILE, b"", recording[:5_000], b"", b"", recording[5_000:], b"")
    assert messages[-1] == {"type": "end", "seconds": 2.0}


async def test_segments_come_while_the_recording_still_does(served: HttpServed) -> None:
    served.engine.echo = " Go on."
    async with talking(served) as socket:
        await socket.send_str(json.dumps(FILE))
        await socket.send_bytes(RECORDING[:40_000])
        said = []
        while "segment" not in said:
            said.append((await socket.receive_json())["type"])
        assert "end" not in said
        await socket.send_bytes(RECORDING[40_000:])
        await socket.send_str("end")
        while said[-1] != "end":
            said.append((await socket.receive_json())["type"])


async def test_speech_is_told_while_it_is_spoken_and_at_its_end(served: HttpServed) -> None:
    speech = np.concatenate([recording("en-02.flac"), np.zeros(SAMPLE_RATE, np.float32)])
    samples = (speech * 32_767).astype(np.int16)
    messages = await told(served, SPEECH, *(chunk.tobytes() for chunk in np.array_split(samples, 40)))
    assert [message["type"] for message in messages][-4:] == ["language", "segment", "segment", "end"]
    sentences = [message["sentences"][0]["text"] for message in messages if message["type"] == "segment"]
    assert sentences == ["Hello there.", "And bye."]
    interims = [message["text"] for message in messages if message["type"] == "interim"]
    assert interims[-1] == "", "the final takes the place of what was said in between"
    assert served.metric("whisper_server_active_streams") == 0


async def test_translation_is_asked_of_the_model_and_refused_by_one_that_knows_english_only(served: HttpServed) -> None:
    await told(served, {**FILE, "task": "translate"}, RECORDING)
    assert served.engine.requests[0].instructions.task is Task.TRANSLATE
    async with serving_http(ENGLISH_ONLY, http_page=True) as other:
        assert "knows English only" in (await complaint(other, {**FILE, "task": "translate"}, RECORDING))["message"]


@pytest.mark.parametrize(
    ("wish", "audio", "sentence"),
    [
        ("[" * 10_000, (), "the first message must be a JSON object"),
        ("[]", (), "the first message must be a JSON object"),
        ({**FILE, "language": "<b>xx"}, (RECORDING,), "language '<b>xx' is not one that this model knows"),
        ({"audio": "speech", "sampleRate": "fast"}, (RECORDING,), "sampleRate: it must be the whole number"),
        ({"audio": "speech", "sampleRate": 1}, (bytes(320),), "sample"),
        (FILE, (), "the request holds no audio"),
        (FILE, (b"no audio at all",), "the audio is in no container known here"),
        (FILE, (RECORDING[:100], "what?"), "after the first message comes audio"),
        (FILE, (RECORDING, "end"), "nothing comes after the text 'end'"),
    ],
)
async def test_what_cannot_be_is_told_in_a_sentence(
    served: HttpServed, wish: Any, audio: tuple[Any, ...], sentence: str
) -> None:
    served.engine.gate.clear()
    error = await complaint(served, wish, *audio)
    assert sentence in error["message"]
    assert error["type"] == "invalid_request_error"
    await ended(served, "400")


async def test_a_message_that_is_too_large_ends_the_conversation(served: HttpServed) -> None:
    assert await told(served, FILE, bytes(MAX_MESSAGE_BYTES + 1), end=False) == []
    await ended(served, "499")


async def test_more_audio_than_a_request_may_hold_is_refused() -> None:
    async with serving_http(http_page=True, max_audio_seconds=1) as served:
        assert "1 s" in (await complaint(served, FILE, RECORDING))["message"]


@pytest.mark.parametrize(("wish", "limit"), [(FILE, "max_requests"), (SPEECH, "max_streams")])
async def test_the_page_has_no_more_room_than_others(wish: dict[str, Any], limit: str) -> None:
    settings: dict[str, Any] = {"http_page": True, limit: 1}
    async with serving_http(MODEL, **settings) as served, talking(served) as first:
        await first.send_str(json.dumps(wish))
        await first.send_bytes(RECORDING[:1_000])
        gauge = "requests_in_progress" if wish is FILE else "active_streams"
        await until(lambda: served.metric(f"whisper_server_{gauge}") == 1)
        error = await complaint(served, wish, RECORDING)
        assert error["code"] == "rate_limit_exceeded"
        assert "try again later" in error["message"]


@pytest.mark.parametrize("with_words", [True, False])
async def test_a_page_that_is_closed_ends_the_work_for_it(served: HttpServed, *, with_words: bool) -> None:
    served.engine.gate.clear()
    async with talking(served) as socket:
        await socket.send_str(json.dumps(FILE))
        await socket.send_bytes(RECORDING)
        await socket.send_str("end")
        await until(lambda: served.engine.requests)
        if with_words:
            await socket.close()
        else:
            assert socket._response.connection is not None
            socket._response.connection.close()
    await until(lambda: served.engine.given_up == 1)
    await ended(served, "499")
    assert served.metric("whisper_server_requests_in_progress") == 0


async def test_a_page_that_leaves_while_it_sends_ends_the_work_for_it(
    served: HttpServed, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with talking(served) as socket:
        await socket.send_str(json.dumps(FILE))
        await socket.send_bytes(RECORDING[:1_000])
    await ended(served, "499")
    assert "the page was closed, or left, before all was said" in caplog.text
    assert not any(record.exc_info for record in caplog.records)


async def test_a_defect_is_told_with_the_id_under_which_the_log_has_it(
    served: HttpServed, caplog: pytest.LogCaptureFixture
) -> None:
    served.engine.error = RuntimeError("a secret of the machine")
    error = await complaint(served, FILE, RECORDING)
    assert error["message"].startswith("internal error; the server's log has it under request id ")
    assert "secret" not in error["message"]
    assert "a secret of the machine" in caplog.text


async def test_a_page_that_says_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch, served: HttpServed) -> None:
    monkeypatch.setattr("whisper_server.http.page.talk._FIRST_SECONDS", 0.05)
    async with talking(served) as socket:
        assert "asked for nothing" in (await socket.receive_json())["error"]["message"]


async def test_a_page_that_stops_sending_is_let_go() -> None:
    async with serving_http(http_page=True, idle_timeout_seconds=0.1) as served:
        (message,) = await told(served, FILE, RECORDING[:1_000], end=False)
        assert "nothing came for 0.1 s" in message["error"]["message"]


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1", "http://evil.example/127.0.0.1"])
async def test_pages_of_other_sites_are_refused(served: HttpServed, origin: str) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with talking(served, Origin=origin):
            pass
    assert refused.value.status == 403
    await ended(served, "403")


async def test_what_names_no_origin_and_what_is_no_websocket_are_refused(served: HttpServed) -> None:
    assert (await served.ask("GET", TALK)).error["code"] == "foreign_page"
    origin = {"Origin": f"http://127.0.0.1:{served.port}"}
    reply = await served.ask("GET", TALK, headers=origin)
    assert (reply.status, reply.error["message"]) == (400, "this address takes the WebSocket of the page at / only")


async def test_a_proxy_that_speaks_tls_before_the_server_is_no_other_site(served: HttpServed) -> None:
    async with talking(served, Origin="https://speech.example", Host="speech.example") as socket:
        await socket.send_str(json.dumps(FILE))
        await socket.send_bytes(RECORDING)
        await socket.send_str("end")
        assert (await socket.receive_json())["type"] == "language"


async def test_with_tokens_the_files_are_everybodys_and_all_else_needs_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    tokens = tmp_path / "tokens"
    tokens.write_text("ada:secret-of-ada\n")
    async with serving_http(http_page=True, tokens_file=tokens, allow_tokens_without_tls=True) as served:
        assert [(await served.ask("GET", path)).status for path in FILES] == [200] * len(FILES)
        assert (await served.ask("GET", "/page/model")).error["code"] == "invalid_api_key"
        known = {"Authorization": "Bearer secret-of-ada"}
        assert (await served.ask("GET", "/page/model", headers=known)).status == 200
        for guess in ({}, {"token": "guess"}, {"token": ["secret-of-ada"]}):
            assert (await complaint(served, {**FILE, **guess}, RECORDING))["code"] == "invalid_api_key"
        assert served.engine.requests == []
        assert (await told(served, {**FILE, "token": "secret-of-ada"}, RECORDING))[-1]["type"] == "end"
        assert "secret-of-ada" not in caplog.text
        assert "guess" not in caplog.text


async def test_the_servers_end_lets_a_conversation_finish(served: HttpServed) -> None:
    served.engine.gate.clear()
    async with talking(served) as socket:
        await socket.send_str(json.dumps(FILE))
        await socket.send_bytes(RECORDING)
        await socket.send_str("end")
        await until(lambda: served.engine.requests)
        stopping = asyncio.create_task(served.server.stop(30))
        await asyncio.sleep(0)
        served.engine.gate.set()
        messages = [json.loads(message.data) async for message in socket]
        assert messages[-1] == {"type": "end", "seconds": 2.0}
        await stopping
