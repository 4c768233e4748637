"""What every HTTP request has in common: ids, log, metrics, tokens, errors, and patience with clients."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.server.fakes import HELLO
from tests.unit.server.http_server import TRANSCRIPTIONS, TRANSLATIONS, HttpServed, serving_http
from tests.unit.server.http_wire import BODY, wire_to
from tests.unit.server.waiting import until
from whisper_server.engine.schedule.errors import (
    BrokenRunnerError,
    QueueFullError,
    RowExpiredError,
    SchedulerClosedError,
)


@pytest.fixture
async def served() -> AsyncIterator[HttpServed]:
    async with serving_http() as running:
        yield running


def counted(served: HttpServed, code: str, method: str = "createTranscription") -> float:
    return served.metric("whisper_server_requests_total", method=method, code=code)


async def test_a_callers_id_comes_back_and_one_is_made_without(served: HttpServed) -> None:
    own = await served.ask("GET", "/v1/models", headers={"X-Request-Id": "mine"})
    made = await served.ask("GET", "/v1/nothing")
    assert own.headers["x-request-id"] == "mine"
    assert len(made.headers["x-request-id"]) == 32


async def test_the_log_has_one_line_a_request_and_nothing_of_what_was_said(
    served: HttpServed, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await served.post({"prompt": "Gangnam", "hotwords": "Seoul"})
    await served.post({"language": "tlh"})
    lines = [record for record in caplog.records if record.name.startswith("whisper_server")]
    assert [line.getMessage().partition(":")[0] for line in lines] == [
        "createTranscription 200",
        "createTranscription 400",
    ]
    assert vars(lines[0])["method"] == "createTranscription"
    assert vars(lines[0])["seconds"] > 0
    assert not {"Hello", "Gangnam", "Seoul"} & set(caplog.text.split())


async def test_requests_are_counted_by_operation_and_status(served: HttpServed) -> None:
    await served.post()
    await served.post(path=TRANSLATIONS)
    await served.post({"model": "other"})
    await served.ask("GET", "/v1/models")
    await served.ask("GET", "/v1/models/other")
    for path in ("/", "/v1/audio", "/../etc/passwd"):
        await served.ask("GET", path)
    await served.ask("PUT", TRANSCRIPTIONS)
    assert counted(served, "200") == 1
    assert counted(served, "404") == 1
    assert counted(served, "200", "createTranslation") == 1
    assert counted(served, "200", "listModels") == 1
    assert counted(served, "404", "retrieveModel") == 1
    assert (counted(served, "404", "unknown"), counted(served, "405", "unknown")) == (3, 1)
    assert served.metric("whisper_server_request_seconds_count", method="createTranscription") == 2
    assert served.metric("whisper_server_audio_seconds_total") == pytest.approx(4.0)
    assert served.metric("whisper_server_requests_in_progress") == 0


async def test_another_address_or_method_is_told_as_openai_tells_errors(served: HttpServed) -> None:
    nowhere = await served.ask("GET", "/v1/chat/completions")
    assert (nowhere.status, nowhere.error["code"]) == (404, "unknown_url")
    for method in ("GET", "PUT", "DELETE"):
        reply = await served.ask(method, TRANSCRIPTIONS)
        assert (reply.status, reply.headers["Allow"]) == (405, "POST")
        assert reply.error["message"] == "this address takes POST only"
    head = await served.ask("HEAD", "/v1/models")
    assert (head.status, head.body) == (405, b"")


@pytest.mark.parametrize(
    ("error", "status", "kind", "code", "trouble"),
    [
        (
            QueueFullError("32 rows wait"),
            429,
            "rate_limit_error",
            "rate_limit_exceeded",
            "32 rows wait: try again later",
        ),
        (RowExpiredError("the deadline passed"), 504, "server_error", "deadline_exceeded", "the deadline passed"),
        (SchedulerClosedError("it ends"), 503, "server_error", "unavailable", "it ends: try another server"),
        (BrokenRunnerError("it broke"), 503, "server_error", "unavailable", "it broke: try another server"),
    ],
)
async def test_what_the_engine_cannot_do_has_its_status(
    served: HttpServed, error: Exception, status: int, kind: str, code: str, trouble: str
) -> None:
    served.engine.error = error
    reply = await served.post()
    assert reply.status == status
    assert reply.error == {"message": trouble, "type": kind, "param": None, "code": code}
    assert reply.headers.get("Retry-After") == ("2" if status == 429 else None)


async def test_a_defect_tells_the_id_and_nothing_else(served: HttpServed, caplog: pytest.LogCaptureFixture) -> None:
    served.engine.error = RuntimeError("secret detail")
    reply = await served.post()
    identity = reply.headers["x-request-id"]
    assert reply.status == 500
    assert reply.error["message"] == f"internal error; the server's log has it under request id {identity}"
    assert "secret detail" in caplog.text
    served.engine.error = None
    assert (await served.post()).status == 200


async def test_a_full_server_says_429_and_takes_requests_again_when_there_is_room() -> None:
    async with serving_http(max_requests=1) as served:
        served.engine.gate.clear()
        first = asyncio.create_task(served.post())
        await until(lambda: served.engine.requests)
        reply = await served.post()
        assert (reply.status, reply.headers["Retry-After"]) == (429, "2")
        assert "busy with 1 requests" in reply.error["message"]
        served.engine.gate.set()
        assert (await first).status == 200
        assert (await served.post()).status == 200


async def test_a_client_that_asks_first_is_refused_before_it_sends(served: HttpServed) -> None:
    served.engine.is_full = True
    async with wire_to(served) as wire:
        wire.send_head("Expect: 100-continue")
        head = await wire.head()
        assert head.startswith("HTTP/1.1 429 ")
        assert "Connection: close" in head
    served.engine.is_full = False
    async with wire_to(served) as wire:
        wire.send_head("Expect: 100-continue", length=2**40)
        assert await wire.status() == 413


async def test_a_client_that_does_not_ask_reads_why_its_large_upload_was_refused(served: HttpServed) -> None:
    served.engine.is_full = True
    large = bytes(30 * 2**20)
    async with wire_to(served) as wire:
        wire.send_head(length=len(large))
        wire.send(large)
        assert await wire.status() == 429
        await wire.writer.drain()
        await wire.end()


async def test_a_connection_that_has_lasted_is_closed_with_its_next_answer() -> None:
    request = b"GET /v1/models HTTP/1.1\r\nHost: test\r\n\r\n"
    async with serving_http(max_connection_age_seconds=0.05) as served, wire_to(served) as wire:
        wire.send(request)
        assert "Connection: close" not in await wire.head()
        await wire.reader.readuntil(b"}]}")
        await asyncio.sleep(0.1)
        wire.send(request)
        assert "Connection: close" in await wire.head()


async def test_a_client_that_asks_first_is_told_to_go_on(served: HttpServed) -> None:
    async with wire_to(served) as wire:
        wire.send_head("Expect: 100-continue")
        assert await wire.status() == 100
        wire.send(BODY)
        assert await wire.status() == 200


async def test_a_client_that_hangs_up_ends_its_work_at_once(served: HttpServed) -> None:
    served.engine.gate.clear()
    async with wire_to(served) as wire:
        wire.send_head()
        wire.send(BODY)
        await until(lambda: served.engine.requests)
    await until(lambda: served.engine.given_up == 1)
    await until(lambda: counted(served, "499") == 1)
    assert served.metric("whisper_server_requests_in_progress") == 0


async def test_a_client_that_hangs_up_in_the_midst_of_its_upload_leaves_nothing(served: HttpServed) -> None:
    async with wire_to(served) as wire:
        wire.send_head()
        wire.send(BODY[: len(BODY) // 2])
        await until(lambda: served.metric("whisper_server_requests_in_progress") == 1)
    await until(lambda: served.metric("whisper_server_requests_in_progress") == 0)
    assert served.engine.requests == []


async def test_a_client_that_sends_too_slowly_is_408() -> None:
    async with serving_http(idle_timeout_seconds=0.2) as served, wire_to(served) as wire:
        wire.send_head()
        wire.send(BODY[:1_000])
        head = await wire.head()
        assert head.startswith("HTTP/1.1 408 ")
        assert "Connection: close" in head
        assert b"less than 65536 bytes came in 0.2 s: send faster" in await wire.reader.readuntil(b"}}")
        assert served.metric("whisper_server_requests_in_progress") == 0


async def test_a_request_that_takes_too_long_is_504() -> None:
    async with serving_http(default_deadline_seconds=0.2) as served:
        served.engine.gate.clear()
        reply = await served.post()
        assert (reply.status, reply.error["code"]) == (504, "deadline_exceeded")
        assert served.engine.given_up == 1


async def test_a_client_that_does_not_read_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    long = replace(HELLO.segments[0], text="x" * 20_000_000)
    async with serving_http(write_timeout_seconds=0.3) as served, wire_to(served) as wire:
        served.engine.answer = replace(HELLO, segments=(long,))
        wire.send_head()
        wire.send(BODY)
        await until(lambda: counted(served, "499") == 1)
        assert "the client did not read its answer for 0.3 s" in caplog.text
        assert len(await wire.end()) < 20_000_000
    assert "Traceback" not in caplog.text


async def test_a_client_that_reads_slowly_but_reads_gets_all_of_it() -> None:
    long = replace(HELLO.segments[0], text="x" * 8_000_000)
    async with serving_http(write_timeout_seconds=5) as served, wire_to(served) as wire:
        served.engine.answer = replace(HELLO, segments=(long,))
        wire.send_head("Connection: close")
        wire.send(BODY)
        await wire.head()
        received = 0
        while chunk := await wire.reader.read(500_000):
            received += len(chunk)
            await asyncio.sleep(0.005)
        assert received > 8_000_000
        assert counted(served, "200") == 1


@pytest.fixture
def tokens_file(tmp_path: Path) -> Path:
    file = tmp_path / "tokens"
    file.write_text("ann:s3cret\n")
    return file


async def test_a_known_token_is_needed_where_there_are_tokens(
    tokens_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with serving_http(tokens_file=tokens_file, allow_tokens_without_tls=True) as served:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic czNjcmV0"}):
            reply = await served.ask("GET", "/v1/models", headers=headers)
            assert (reply.status, reply.error["code"]) == (401, "invalid_api_key")
            assert reply.headers["WWW-Authenticate"] == "Bearer"
            assert (await served.ask("GET", "/v1/nothing", headers=headers)).status == 401
        known = {"Authorization": "Bearer s3cret"}
        assert (await served.ask("GET", "/v1/models", headers=known)).status == 200
        assert (await served.post()).status == 401
        async with wire_to(served) as wire:
            wire.send_head("Expect: 100-continue")
            assert await wire.status() == 401, "nothing is read of who brings no token"
    assert "s3cret" not in caplog.text
