"""OpenAI's own client package against our HTTP: its users' calls work, fail and are tried again as with OpenAI."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.audio import TranscriptionVerbose, TranslationVerbose

from tests.unit.server.conftest import RECORDING
from tests.unit.server.fakes import HELLO
from tests.unit.server.http_server import HttpServed, serving_http
from whisper_server.engine.interface import LanguageFound
from whisper_server.engine.options import Task
from whisper_server.engine.schedule.errors import QueueFullError, RowExpiredError

FILE = ("recording.wav", RECORDING)


@asynccontextmanager
async def client_of(served: HttpServed, **options: Any) -> AsyncIterator[openai.AsyncOpenAI]:
    chosen = {"api_key": "none", "max_retries": 0, **options}
    async with openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{served.port}/v1", **chosen) as client:
        yield client


@pytest.fixture
async def served() -> AsyncIterator[HttpServed]:
    async with serving_http() as running:
        yield running


@pytest.fixture
async def client(served: HttpServed) -> AsyncIterator[openai.AsyncOpenAI]:
    async with client_of(served) as client:
        yield client


async def test_the_plain_answer_is_the_text(client: openai.AsyncOpenAI) -> None:
    heard = await client.audio.transcriptions.create(model="whisper-1", file=FILE)
    assert heard.text == "Hello there. And bye."
    assert heard.usage is not None
    assert heard.usage.type == "duration"
    assert heard.usage.seconds == pytest.approx(2.0)
    assert heard._request_id


async def test_text_and_captions_are_texts(client: openai.AsyncOpenAI) -> None:
    create = client.audio.transcriptions.create
    text: Any = await create(model="whisper-1", file=FILE, response_format="text")
    srt: Any = await create(model="whisper-1", file=FILE, response_format="srt")
    vtt: Any = await create(model="whisper-1", file=FILE, response_format="vtt")
    assert text == "Hello there. And bye.\n"
    assert srt.startswith("1\n00:00:00,500 --> 00:00:01,250\nHello there.\n\n2\n")
    assert vtt.startswith("WEBVTT\n\n00:00:00.500 --> 00:00:01.250\nHello there.\n")


async def test_verbose_json_holds_what_the_clients_types_name(served: HttpServed, client: openai.AsyncOpenAI) -> None:
    served.engine.answer = replace(HELLO, language=LanguageFound("ht", 0.9))
    heard = await client.audio.transcriptions.create(
        model="whisper-1", file=FILE, response_format="verbose_json", timestamp_granularities=["segment", "word"]
    )
    # The client takes whatever comes; its types are checked here.
    checked = TranscriptionVerbose.model_validate(heard.to_dict(), strict=True)
    assert (checked.language, checked.duration, checked.text) == ("haitian creole", 2.0, "Hello there. And bye.")
    assert [(word.word, word.start, word.end) for word in checked.words or ()] == [
        ("Hello", 0.5, 0.75),
        ("there.", 0.8, 1.25),
        ("And", 1.5, 1.6),
        ("bye.", 1.7, 2.0),
    ]
    assert checked.segments is not None
    first, second = checked.segments
    assert (first.id, first.seek, first.start, first.end, first.text) == (0, 50, 0.5, 1.25, " Hello there.")
    assert (first.avg_logprob, first.temperature, first.compression_ratio) == (-0.1, 0.0, 1.0)
    assert (second.id, second.no_speech_prob, second.tokens) == (1, 0.0, [])


@pytest.mark.parametrize(
    ("granularities", "segments", "words"), [([], True, False), (["segment"], True, False), (["word"], False, True)]
)
async def test_times_are_of_what_was_asked_for(
    client: openai.AsyncOpenAI, granularities: Any, segments: object, words: object
) -> None:
    heard = await client.audio.transcriptions.create(
        model="whisper-1", file=FILE, response_format="verbose_json", timestamp_granularities=granularities
    )
    assert (heard.segments is not None, heard.words is not None) == (segments, words)


# The package warns of the end of whisper-1 at OpenAI.
@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
async def test_translations_are_english(served: HttpServed, client: openai.AsyncOpenAI) -> None:
    served.engine.answer = replace(HELLO, language=LanguageFound("ko", 0.9))
    plain = await client.audio.translations.create(model="whisper-1", file=FILE)
    assert plain.text == "Hello there. And bye."
    verbose = await client.audio.translations.create(model="whisper-1", file=FILE, response_format="verbose_json")
    checked = TranslationVerbose.model_validate(verbose.to_dict(), strict=True)
    assert (checked.language, verbose.to_dict()["task"]) == ("english", "translate")
    assert {request.instructions.task for request in served.engine.requests} == {Task.TRANSLATE}


async def test_every_field_that_the_client_has_arrives(served: HttpServed, client: openai.AsyncOpenAI) -> None:
    await client.audio.transcriptions.create(
        model="small",
        file=FILE,
        language="ko",
        prompt="Seoul.",
        temperature=0.2,
        keywords=["Jeju", "Busan"],
        chunking_strategy="auto",
        extra_body={"beam_size": 2, "vad_filter": False},
    )
    asked = served.engine.requests[0].instructions
    assert (asked.language, asked.context.initial_prompt, asked.context.hotwords) == ("ko", "Seoul.", "Jeju, Busan")
    assert (asked.decoding.temperatures, asked.decoding.beam_size, asked.vad) == ((0.2,), 2, None)


async def test_the_models_are_listed_and_told(client: openai.AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == ["small", "whisper-1"]
    assert (await client.models.retrieve("whisper-1")).object == "model"
    with pytest.raises(openai.NotFoundError, match="no model 'gpt-4o' is served here, only small, whisper-1"):
        await client.models.retrieve("gpt-4o")


async def test_errors_are_the_clients_own(served: HttpServed, client: openai.AsyncOpenAI) -> None:
    create = client.audio.transcriptions.create
    with pytest.raises(openai.NotFoundError) as missing:
        await create(model="gpt-4o-transcribe", file=FILE)
    assert (missing.value.code, missing.value.param, missing.value.type) == (
        "model_not_found",
        "model",
        "invalid_request_error",
    )
    with pytest.raises(openai.BadRequestError, match="in no container known here") as garbage:
        await create(model="whisper-1", file=("a.wav", b"no audio at all"))
    assert garbage.value.request_id == garbage.value.response.headers["x-request-id"]
    with pytest.raises(openai.BadRequestError, match="events are not sent here yet"):
        await create(model="whisper-1", file=FILE, stream=True)
    served.engine.error = RowExpiredError("late")
    with pytest.raises(openai.InternalServerError) as late:
        await create(model="whisper-1", file=FILE)
    assert late.value.status_code == 504


async def test_limits_and_tokens_are_the_clients_own_errors(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("s3cret\n")
    async with serving_http(max_upload_bytes=1_000, tokens_file=tokens, allow_tokens_without_tls=True) as served:
        async with client_of(served, api_key="wrong") as client:
            with pytest.raises(openai.AuthenticationError, match="the token is not known here"):
                await client.audio.transcriptions.create(model="whisper-1", file=FILE)
        async with client_of(served, api_key="s3cret") as client:
            assert (await client.models.list()).data
            with pytest.raises(openai.APIStatusError, match="larger than the 1000 bytes") as large:
                await client.audio.transcriptions.create(model="whisper-1", file=FILE)
            assert large.value.status_code == 413


async def test_the_client_tries_again_when_there_is_no_room(served: HttpServed) -> None:
    served.engine.error = QueueFullError("as many rows wait as may")
    async with client_of(served) as once:
        with pytest.raises(openai.RateLimitError, match="try again later") as full:
            await once.audio.transcriptions.create(model="whisper-1", file=FILE)
        assert int(full.value.response.headers["retry-after"]) >= 1
    refused = len(served.engine.requests)

    async def make_room(*_: object) -> None:
        served.engine.error = None

    async with client_of(served, max_retries=2) as patient:
        patient._client.event_hooks["response"] = [make_room]
        heard = await patient.audio.transcriptions.create(model="whisper-1", file=FILE)
    assert heard.text == "Hello there. And bye."
    assert len(served.engine.requests) == refused + 2
