"""Every field of Riva's RecognitionConfig is honoured, accepted without effect, or refused: one row each."""

from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest
from riva.client.proto import riva_asr_pb2

from tests.unit.server.audio_files import tone
from tests.unit.server.conftest import Served
from tests.unit.server.fakes import Heard
from whisper_server.engine.options import Task

RAW = tone(8_000).tobytes()
#: Fields that make headerless samples readable.
AS_RAW = {"encoding": 1, "sample_rate_hertz": 8_000}

Check = Callable[[Heard], bool]

#: field -> (config, what the engine must get); the audio is headerless and is always read AS_RAW.
HONOURED: dict[str, tuple[dict[str, Any], Check]] = {
    "encoding": ({"encoding": 3}, lambda request: len(request.samples) == 64_000),  # MULAW: a byte a sample
    "sample_rate_hertz": ({"sample_rate_hertz": 16_000}, lambda request: len(request.samples) == 16_000),
    "audio_channel_count": ({"audio_channel_count": 2}, lambda request: len(request.samples) == 16_000),
    "language_code": ({"language_code": "ko-KR"}, lambda request: request.instructions.language == "ko"),
    "model": ({"model": "whisper-1"}, lambda request: request.instructions.language is None),
    "speech_contexts": (
        {"speech_contexts": [{"phrases": ["Seoul", " Busan "]}, {"phrases": ["Jeju"], "boost": 20}]},
        lambda request: request.instructions.context.hotwords == "Seoul, Busan, Jeju",
    ),
    "enable_word_time_offsets": ({"enable_word_time_offsets": True}, lambda request: request.instructions.word_times),
    "custom_configuration": (
        {"custom_configuration": {"task": "translate"}},
        lambda request: request.instructions.task is Task.TRANSLATE,
    ),
}

WITHOUT_EFFECT: dict[str, dict[str, Any]] = {
    "max_alternatives": {"max_alternatives": 5},
    "enable_automatic_punctuation": {"enable_automatic_punctuation": True},
    "verbatim_transcripts": {"verbatim_transcripts": True},
    "endpointing_config": {"endpointing_config": {"stop_history": 800, "stop_threshold": 0.9}},
}

REFUSED: dict[str, dict[str, Any]] = {
    "profanity_filter": {"profanity_filter": True},
    "enable_separate_recognition_per_channel": {"enable_separate_recognition_per_channel": True},
    "diarization_config": {"diarization_config": {"enable_speaker_diarization": True, "max_speaker_count": 2}},
}

#: Values of honoured fields that cannot be right, and the words that say so.
WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"encoding": 7}, "encoding: 7 is none"),
    ({"max_alternatives": -1}, "max_alternatives: -1"),
    ({"sample_rate_hertz": -8_000}, "sample rate of -8000 Hz"),
    ({"audio_channel_count": 99}, "99 channels"),
    ({"custom_configuration": {"task": "sing"}}, "task is transcribe or translate"),
    ({"custom_configuration": {"beam_size": "5"}}, "'beam_size' is unknown; known: task"),
    ({"speech_contexts": [{"phrases": ["x" * 1_001]}]}, "1001 characters of phrases"),
)


def test_every_field_has_its_row() -> None:
    rows = [*HONOURED, *WITHOUT_EFFECT, *REFUSED]
    assert sorted(rows) == sorted(field.name for field in riva_asr_pb2.RecognitionConfig.DESCRIPTOR.fields)


@pytest.mark.parametrize("field", HONOURED)
async def test_field_is_honoured(served: Served, field: str) -> None:
    config, check = HONOURED[field]
    await served.recognize(RAW, **AS_RAW)
    await served.recognize(RAW, **{**AS_RAW, **config})
    plain, changed = served.engine.requests
    assert check(changed)
    assert field == "model" or not check(plain), "the check must tell the two apart"


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
    assert trouble.startswith(f"{field}: ")
    assert served.engine.requests == []


@pytest.mark.parametrize(("config", "trouble"), WRONG)
async def test_a_value_that_cannot_be_right_is_refused(served: Served, config: dict[str, Any], trouble: str) -> None:
    code, details = await served.refusal(RAW, **{**AS_RAW, **config})
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert trouble in details


async def test_diarization_that_is_named_and_not_asked_for_is_fine(served: Served) -> None:
    assert (await served.recognize(RAW, **AS_RAW, diarization_config={"max_speaker_count": 2})).results


async def test_a_request_without_a_config_is_a_container_in_any_language(served: Served) -> None:
    assert (await served.recognize()).results
    assert served.engine.requests[0].instructions.language is None
