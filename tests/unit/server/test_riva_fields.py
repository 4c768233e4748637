"""Every field of Riva's RecognitionConfig is honoured, accepted without effect, or refused: one row each."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from riva.client.proto import riva_asr_pb2

from tests.unit.server.audio_files import tone
from tests.unit.server.conftest import Serve, Served
from tests.unit.server.fakes import Heard
from whisper_server.engine.options import Task, VadOptions

RAW = tone(8_000).tobytes()
#: Fields that make headerless samples readable.
AS_RAW = {"encoding": 1, "sample_rate_hertz": 8_000}

Check = Callable[[Heard, str], bool]


def vad(request: Heard) -> VadOptions:
    assert request.instructions.vad is not None
    return request.instructions.vad


#: field -> (config, what the engine must get, what must be answered); the audio is headerless and always read AS_RAW.
HONOURED: dict[str, tuple[dict[str, Any], Check]] = {
    "encoding": ({"encoding": 3}, lambda heard, _: len(heard.samples) == 64_000),  # MULAW: a byte a sample
    "sample_rate_hertz": ({"sample_rate_hertz": 16_000}, lambda heard, _: len(heard.samples) == 16_000),
    "audio_channel_count": ({"audio_channel_count": 2}, lambda heard, _: len(heard.samples) == 16_000),
    "language_code": ({"language_code": "ko-KR"}, lambda heard, _: heard.instructions.language == "ko"),
    "model": ({"model": "whisper-1"}, lambda heard, _: heard.instructions.language is None),
    "max_alternatives": ({"max_alternatives": 3}, lambda heard, _: heard.instructions.decoding.alternatives == 3),
    "profanity_filter": ({"profanity_filter": True}, lambda _, text: text == " H**** there. And bye."),
    "speech_contexts.phrases": (
        {"speech_contexts": [{"phrases": ["Seoul", " Busan "]}, {"phrases": ["Jeju"]}]},
        lambda heard, _: heard.instructions.context.hotwords == "Seoul, Busan, Jeju",
    ),
    "enable_word_time_offsets": ({"enable_word_time_offsets": True}, lambda heard, _: heard.instructions.word_times),
    "custom_configuration": (
        {"custom_configuration": {"task": "translate"}},
        lambda heard, _: heard.instructions.task is Task.TRANSLATE,
    ),
    "endpointing_config.start_history": (
        {"endpointing_config": {"start_history": 200}},
        lambda heard, _: vad(heard).min_speech_duration_ms == 200,
    ),
    "endpointing_config.start_threshold": (
        {"endpointing_config": {"start_threshold": 0.75}},
        lambda heard, _: vad(heard).threshold == 0.75,
    ),
    "endpointing_config.stop_history": (
        {"endpointing_config": {"stop_history": 900}},
        lambda heard, _: vad(heard).min_silence_duration_ms == 900,
    ),
    "endpointing_config.stop_threshold": (
        {"endpointing_config": {"stop_threshold": 0.75}},
        lambda heard, _: vad(heard).neg_threshold == 0.25,
    ),
}

WITHOUT_EFFECT: dict[str, dict[str, Any]] = {
    "speech_contexts.boost": {"speech_contexts": [{"boost": 20}]},
    "enable_automatic_punctuation": {"enable_automatic_punctuation": True},
    "verbatim_transcripts": {"verbatim_transcripts": True},
    "endpointing_config.stop_history_eou": {"endpointing_config": {"stop_history_eou": 300}},
    "endpointing_config.stop_threshold_eou": {"endpointing_config": {"stop_threshold_eou": 0.9}},
    "diarization_config.max_speaker_count": {"diarization_config": {"max_speaker_count": 2}},
}

REFUSED: dict[str, dict[str, Any]] = {
    "enable_separate_recognition_per_channel": {"enable_separate_recognition_per_channel": True},
    "diarization_config.enable_speaker_diarization": {"diarization_config": {"enable_speaker_diarization": True}},
}

#: Values of honoured fields that cannot be right, and the words that say so.
WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"encoding": 7}, "encoding: 7 is none"),
    ({"max_alternatives": -1}, "max_alternatives: -1"),
    ({"sample_rate_hertz": -8_000}, "sample rate of -8000 Hz"),
    ({"audio_channel_count": 99}, "99 channels"),
    ({"custom_configuration": {"task": "sing"}}, "task: 'sing' is not transcribe or translate"),
    ({"custom_configuration": {"beam": "5"}}, "custom_configuration: 'beam' is unknown; known: task, "),
    ({"speech_contexts": [{"phrases": ["x" * 1_001]}]}, "speech_contexts: 1001 characters of phrases"),
    ({"speech_contexts": [{"phrases": [""] * 1_001}]}, "speech_contexts: more than 1000 phrases"),
    ({"speech_contexts": [{}] * 1_001}, "speech_contexts: more than 1000 phrases"),
    ({"endpointing_config": {"start_threshold": 1.5}}, "endpointing_config: start_threshold: 1.5 is not from 0 to 1"),
    ({"endpointing_config": {"stop_threshold": math.nan}}, "endpointing_config: stop_threshold is no number"),
    ({"endpointing_config": {"start_history": 10_001}}, "vad_min_speech_duration_ms: 10001 is not from 0 to 10000"),
    ({"endpointing_config": {"stop_history": 30_001}}, "vad_min_silence_duration_ms: 30001 is not from 0 to 30000"),
)


def leaves(message: Any, before: str = "") -> Iterator[str]:
    """Yield the names of a message's fields, those of its messages' after a dot."""
    for field in message.fields:
        kind = field.message_type
        if kind is None or kind.GetOptions().map_entry:
            yield before + field.name
        else:
            yield from leaves(kind, f"{before}{field.name}.")


def test_every_field_has_its_row() -> None:
    rows = [*HONOURED, *WITHOUT_EFFECT, *REFUSED]
    assert sorted(rows) == sorted(leaves(riva_asr_pb2.RecognitionConfig.DESCRIPTOR))


@pytest.mark.parametrize("field", HONOURED)
async def test_field_is_honoured(serve: Serve, tmp_path: Path, field: str) -> None:
    words = tmp_path / "words.txt"
    words.write_text("hello\n")
    served = await serve(profanity_words_file=words)
    config, check = HONOURED[field]
    answers = [await served.recognize(RAW, **{**AS_RAW, **given}) for given in ({}, config)]
    plain, changed = (
        check(heard, answer.results[0].alternatives[0].transcript)
        for heard, answer in zip(served.engine.requests, answers, strict=True)
    )
    assert changed
    assert field == "model" or not plain, "the check must tell the two apart"


@pytest.mark.parametrize("field", WITHOUT_EFFECT)
async def test_field_is_accepted_without_effect(served: Served, field: str) -> None:
    plain_response = await served.recognize(RAW, **AS_RAW)
    response = await served.recognize(RAW, **AS_RAW, **WITHOUT_EFFECT[field])
    plain, changed = served.engine.requests
    assert response == plain_response
    assert np.array_equal(plain.samples, changed.samples)
    assert changed.instructions == plain.instructions


@pytest.mark.parametrize("field", REFUSED)
async def test_field_is_refused_by_name(served: Served, field: str) -> None:
    code, trouble = await served.refusal(RAW, **AS_RAW, **REFUSED[field])
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert trouble.startswith(f"{field.partition('.')[0]}: ")
    assert served.engine.requests == []


@pytest.mark.parametrize(("config", "trouble"), WRONG)
async def test_a_value_that_cannot_be_right_is_refused(served: Served, config: dict[str, Any], trouble: str) -> None:
    code, details = await served.refusal(RAW, **{**AS_RAW, **config})
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert trouble in details


async def test_a_request_without_a_config_is_a_container_in_any_language(served: Served) -> None:
    assert (await served.recognize()).results
    assert served.engine.requests[0].instructions.language is None


async def test_words_are_not_masked_where_nobody_said_which(served: Served) -> None:
    code, trouble = await served.refusal(profanity_filter=True)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "whoever runs it sets --profanity-words-file" in trouble


async def test_no_more_alternatives_are_asked_of_the_model_than_its_beam_holds(served: Served) -> None:
    await served.recognize(max_alternatives=30, custom_configuration={"beam_size": "2"})
    assert served.engine.requests[0].instructions.decoding.alternatives == 2


async def test_endpointing_of_minus_one_is_left_as_it_is(served: Served) -> None:
    left = {"start_history": -1, "start_threshold": -1.0, "stop_history": -1, "stop_threshold": -1.0}
    await served.recognize(endpointing_config=left)
    assert vad(served.engine.requests[0]) == VadOptions()


async def test_certainty_of_silence_that_noise_never_gives_is_not_waited_for(served: Served) -> None:
    await served.recognize(endpointing_config={"stop_threshold": 0.98})
    assert vad(served.engine.requests[0]).neg_threshold == 0.1


async def test_silence_is_never_more_than_what_is_not_yet_speech(served: Served) -> None:
    await served.recognize(endpointing_config={"start_threshold": 0.25, "stop_threshold": 0.5})
    assert vad(served.engine.requests[0]).neg_threshold == 0.25


async def test_phrases_and_hotwords_are_given_together(served: Served) -> None:
    await served.recognize(
        speech_contexts=[{"phrases": ["Seoul"]}], custom_configuration={"hotwords": "Busan%2C%20Jeju"}
    )
    assert served.engine.requests[0].instructions.context.hotwords == "Seoul, Busan, Jeju"
