"""Every field of OpenAI's forms, and of our own beside them, is honoured, accepted without effect, or refused."""

from collections.abc import AsyncIterator, Callable
from typing import get_args, get_type_hints

import pytest
from openai.types.audio.transcription_create_params import (
    TranscriptionCreateParamsBase,
    TranscriptionCreateParamsNonStreaming,
)
from openai.types.audio.translation_create_params import TranslationCreateParams

from tests.unit.server.conftest import ENGLISH_ONLY
from tests.unit.server.http_server import TRANSCRIPTIONS, TRANSLATIONS, Fields, HttpServed, serving_http
from whisper_server.engine.option_texts import OPTION_NAMES
from whisper_server.engine.options import FALLBACK_TEMPERATURES, Instructions, Task
from whisper_server.http.options import Granularity, ResponseFormat

Check = Callable[[Instructions], object]

#: field -> (what is sent, what the engine must get)
HONOURED: dict[str, tuple[Fields, Check]] = {
    "model": ({"model": "whisper-1"}, lambda asked: asked == Instructions()),
    "language": ({"language": "ko-KR"}, lambda asked: asked.language == "ko"),
    "prompt": ({"prompt": "Seoul."}, lambda asked: asked.context.initial_prompt == "Seoul."),
    "response_format": ({"response_format": "srt"}, lambda asked: asked.word_times),
    "temperature": ({"temperature": "0.4"}, lambda asked: asked.decoding.temperatures == (0.4,)),
    "timestamp_granularities": (
        {"response_format": "verbose_json", "timestamp_granularities[]": ["word"]},
        lambda asked: asked.word_times and not asked.decoding.timestamps,
    ),
    "keywords": ({"keywords[]": ["Seoul", " Busan "]}, lambda asked: asked.context.hotwords == "Seoul, Busan"),
    "hotwords": ({"hotwords": "Jeju"}, lambda asked: asked.context.hotwords == "Jeju"),
    "prefix": ({"prefix": "Hello"}, lambda asked: asked.context.prefix == "Hello"),
    "multilingual": ({"multilingual": "true"}, lambda asked: asked.multilingual),
    "beam_size": ({"beam_size": "2"}, lambda asked: asked.decoding.beam_size == 2),
    "best_of": ({"best_of": "2"}, lambda asked: asked.decoding.best_of == 2),
    "patience": ({"patience": "2"}, lambda asked: asked.decoding.patience == 2),
    "length_penalty": ({"length_penalty": "0.5"}, lambda asked: asked.decoding.length_penalty == 0.5),
    "repetition_penalty": ({"repetition_penalty": "1.1"}, lambda asked: asked.decoding.repetition_penalty == 1.1),
    "no_repeat_ngram_size": ({"no_repeat_ngram_size": "3"}, lambda asked: asked.decoding.no_repeat_ngram_size == 3),
    "temperatures": ({"temperatures": "0,0.5"}, lambda asked: asked.decoding.temperatures == (0, 0.5)),
    "compression_ratio_threshold": (
        {"compression_ratio_threshold": "3"},
        lambda asked: asked.decoding.compression_ratio_threshold == 3,
    ),
    "log_prob_threshold": ({"log_prob_threshold": "none"}, lambda asked: asked.decoding.log_prob_threshold is None),
    "no_speech_threshold": ({"no_speech_threshold": "0.5"}, lambda asked: asked.decoding.no_speech_threshold == 0.5),
    "suppress_blank": ({"suppress_blank": "false"}, lambda asked: not asked.decoding.suppress_blank),
    "suppress_tokens": ({"suppress_tokens": "-1,7"}, lambda asked: asked.decoding.suppress_tokens == (-1, 7)),
    "timestamps": ({"timestamps": "true"}, lambda asked: asked.decoding.timestamps),
    "max_initial_timestamp": (
        {"max_initial_timestamp": "2"},
        lambda asked: asked.decoding.max_initial_timestamp == 2,
    ),
    "max_new_tokens": ({"max_new_tokens": "100"}, lambda asked: asked.decoding.max_new_tokens == 100),
    "vad_filter": ({"vad_filter": "false"}, lambda asked: asked.vad is None),
    "vad_threshold": ({"vad_threshold": "0.6"}, lambda asked: asked.vad and asked.vad.threshold == 0.6),
    "vad_neg_threshold": ({"vad_neg_threshold": "0.2"}, lambda asked: asked.vad and asked.vad.neg_threshold == 0.2),
    "vad_min_speech_duration_ms": (
        {"vad_min_speech_duration_ms": "100"},
        lambda asked: asked.vad and asked.vad.min_speech_duration_ms == 100,
    ),
    "vad_max_speech_duration_s": (
        {"vad_max_speech_duration_s": "20"},
        lambda asked: asked.vad and asked.vad.max_speech_duration_s == 20,
    ),
    "vad_min_silence_duration_ms": (
        {"vad_min_silence_duration_ms": "300"},
        lambda asked: asked.vad and asked.vad.min_silence_duration_ms == 300,
    ),
    "vad_speech_pad_ms": ({"vad_speech_pad_ms": "200"}, lambda asked: asked.vad and asked.vad.speech_pad_ms == 200),
}

WITHOUT_EFFECT: dict[str, Fields] = {
    "stream": {"stream": "false"},
    "chunking_strategy": {"chunking_strategy": "auto"},
}

REFUSED: dict[str, Fields] = {
    "include": {"include[]": ["logprobs"]},
    "languages": {"languages[]": ["en", "ko"]},
    "known_speaker_names": {"known_speaker_names[]": ["agent"]},
    "known_speaker_references": {"known_speaker_references[]": ["data:audio/wav;base64,AAA="]},
    "alternatives": {"alternatives": "2"},
    "condition_on_previous_text": {"condition_on_previous_text": "true"},
    "hallucination_silence_threshold": {"hallucination_silence_threshold": "2"},
    "prompt_reset_on_temperature": {"prompt_reset_on_temperature": "0.5"},
}

#: What cannot be right, the field that the answer names, and words of its sentence.
WRONG: tuple[tuple[Fields, str, str], ...] = (
    ({"stream": "true"}, "stream", "events are not sent here yet"),
    ({"stream": "perhaps"}, "stream", "neither true nor false"),
    ({"chunking_strategy[type]": "server_vad"}, "chunking_strategy", "only auto is known here"),
    ({"language": "tlh"}, "language", "not one that this model knows"),
    ({"response_format": "diarized_json"}, "response_format", "not one of json, text, srt, verbose_json, vtt"),
    ({"temperature": "1.5"}, "temperature", "1.5 is not from 0 to 1"),
    ({"temperature": "hot"}, "temperature", "'hot' is not a number"),
    ({"temperature": "nan"}, "temperature", "'nan' is not a number"),
    ({"timestamp_granularities[]": ["word"]}, "timestamp_granularities", "only response_format verbose_json has times"),
    (
        {"response_format": "verbose_json", "timestamp_granularities[]": ["phoneme"]},
        "timestamp_granularities",
        "'phoneme' is not one of word, segment",
    ),
    ({"beam_size": "100"}, "beam_size", "100 is not from 1 to 16"),
    ({"vad_threshold": "2"}, "vad_threshold", "2 is not from 0.01 to 1"),
    ({"hotwords": "x" * 1_001}, "hotwords", "1001 characters"),
    ({"language": ["en", "ko"]}, "language", "given 2 times"),
    ({"colour": "red"}, "colour", "'colour' is no field of this form"),
)


@pytest.fixture
async def served() -> AsyncIterator[HttpServed]:
    async with serving_http() as running:
        yield running


def test_every_field_of_openais_client_and_every_option_has_its_row() -> None:
    openai = {
        *get_type_hints(TranscriptionCreateParamsBase),
        *get_type_hints(TranscriptionCreateParamsNonStreaming),
        *get_type_hints(TranslationCreateParams),
    }
    rows = [*HONOURED, *WITHOUT_EFFECT, *REFUSED]
    assert len(rows) == len(set(rows))
    assert set(rows) | {"file"} == openai | OPTION_NAMES | {"hotwords", "prefix", "multilingual"}


def test_the_formats_and_granularities_are_openais() -> None:
    hints = get_type_hints(TranslationCreateParams, include_extras=False)
    assert set(get_args(hints["response_format"])) == set(ResponseFormat)
    granularities = get_type_hints(TranscriptionCreateParamsBase)["timestamp_granularities"]
    assert set(get_args(get_args(granularities)[0])) == set(Granularity)


async def test_fields_are_honoured(served: HttpServed) -> None:
    await served.post()
    plain = served.engine.requests.pop().instructions
    for field, (fields, check) in HONOURED.items():
        reply = await served.post(fields)
        assert reply.status == 200, reply.body
        assert check(served.engine.requests.pop().instructions), field
        assert field == "model" or not check(plain), f"the check of {field} must tell the two apart"


@pytest.mark.parametrize("field", WITHOUT_EFFECT)
async def test_field_is_accepted_without_effect(served: HttpServed, field: str) -> None:
    plain = await served.post()
    reply = await served.post(WITHOUT_EFFECT[field])
    assert reply.body == plain.body
    first, second = served.engine.requests
    assert second.instructions == first.instructions


async def test_fields_are_refused_by_name(served: HttpServed) -> None:
    for field, fields in REFUSED.items():
        reply = await served.post(fields)
        assert (reply.status, reply.error["param"], reply.error["type"]) == (400, field, "invalid_request_error")
        assert reply.error["message"].startswith(f"{field}: ")
    assert served.engine.requests == []


async def test_values_that_cannot_be_right_are_refused(served: HttpServed) -> None:
    for fields, field, trouble in WRONG:
        reply = await served.post(fields)
        assert (reply.status, reply.error["param"]) == (400, field), reply.body
        assert trouble in reply.error["message"]
    assert served.engine.requests == []


async def test_temperature_0_is_the_ladder_and_an_empty_field_is_none(served: HttpServed) -> None:
    await served.post({"temperature": "0", "language": "", "prompt": "", "response_format": ""})
    asked = served.engine.requests[0].instructions
    assert asked == Instructions()
    assert asked.decoding.temperatures == FALLBACK_TEMPERATURES


async def test_of_a_long_prompt_the_end_counts(served: HttpServed) -> None:
    await served.post({"prompt": "x" * 5_000 + " Seoul."})
    prompt = served.engine.requests[0].instructions.context.initial_prompt
    assert prompt is not None
    assert prompt.endswith("x Seoul.")
    assert len(prompt) == 1_000


async def test_verbose_json_has_timed_segments_unless_only_words_are_wanted(served: HttpServed) -> None:
    await served.post({"response_format": "verbose_json"})
    await served.post({"response_format": "verbose_json", "timestamp_granularities[]": ["segment", "word"]})
    alone, both = (request.instructions for request in served.engine.requests)
    assert (alone.decoding.timestamps, alone.word_times) == (True, False)
    assert (both.decoding.timestamps, both.word_times) == (True, True)


async def test_translations_are_asked_for_by_their_address(served: HttpServed) -> None:
    await served.post(path=TRANSCRIPTIONS)
    await served.post(path=TRANSLATIONS)
    assert [request.instructions.task for request in served.engine.requests] == [Task.TRANSCRIBE, Task.TRANSLATE]


async def test_a_model_without_word_times_makes_captions_of_timed_segments() -> None:
    async with serving_http(ENGLISH_ONLY) as served:
        assert (await served.post({"response_format": "vtt"})).status == 200
        asked = served.engine.requests[0].instructions
        assert (asked.word_times, asked.decoding.timestamps) == (False, True)
        reply = await served.post({"response_format": "verbose_json", "timestamp_granularities[]": ["word"]})
        assert (reply.status, reply.error["param"]) == (400, "timestamp_granularities")
        assert (await served.post(path=TRANSLATIONS)).status == 400
        assert (await served.post({"language": "ko"})).status == 400
