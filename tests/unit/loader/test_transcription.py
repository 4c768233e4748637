"""The end that all this serves: what is published transcribes speech."""

import json
from pathlib import Path
from typing import Any

import pytest
from faster_whisper import WhisperModel

from tests.support.loader import whisper_model
from tests.support.models import RECORDINGS, SPEECH_MODEL

SPOKEN: list[dict[str, Any]] = json.loads((RECORDINGS / "recordings.json").read_text())


@pytest.fixture(scope="module", params=["float16", "int8_float16"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> WhisperModel:
    store = tmp_path_factory.mktemp("store")
    done = whisper_model("pull", SPEECH_MODEL, "--store", store, "--quantization", request.param, "--json")
    assert done.exit_code == 0, done.errors
    return WhisperModel(done.json["path"], device="cpu", compute_type="float32", cpu_threads=1, local_files_only=True)


def transcribe(model: WhisperModel, recording: Path, language: str | None) -> str:
    segments, _ = model.transcribe(str(recording), language=language, without_timestamps=True, vad_filter=True)
    return " ".join(segment.text.strip() for segment in segments)


@pytest.mark.parametrize("spoken", SPOKEN, ids=[spoken["file"] for spoken in SPOKEN])
def test_a_recording_is_transcribed_word_for_word(model: WhisperModel, spoken: dict[str, Any]) -> None:
    assert transcribe(model, RECORDINGS / spoken["file"], spoken["language"]) == spoken["text"]


def test_the_language_is_found_without_being_told(model: WhisperModel) -> None:
    for recording, language in (("en-02.flac", "en"), ("ko-00.flac", "ko")):
        _, info = model.transcribe(str(RECORDINGS / recording), without_timestamps=True)
        assert info.language == language
