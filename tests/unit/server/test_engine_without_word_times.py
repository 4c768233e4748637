"""A model of an early converter, which names no alignment heads."""

import json
from pathlib import Path

import pytest

from tests.support.models import spoken_text
from tests.unit.server.engines import SETTINGS, recording
from whisper_server.audio.windows import Piece, Window
from whisper_server.engine.interface import Caller, WindowRequest
from whisper_server.engine.options import Instructions
from whisper_server.engine.whisper import WhisperEngine


@pytest.fixture
def early_model(published_artifact: Path, tmp_path: Path) -> Path:
    """The small model, its config without the heads."""
    model = tmp_path / "model"
    model.mkdir()
    for file in published_artifact.iterdir():
        (model / file.name).symlink_to(file)
    config = json.loads((model / "config.json").read_text())
    del config["alignment_heads"]
    (model / "config.json").unlink()
    (model / "config.json").write_text(json.dumps(config))
    return model


async def test_a_window_is_written_down_without_the_words_times_that_the_model_cannot_tell(early_model: Path) -> None:
    engine = await WhisperEngine.load(early_model, SETTINGS, word_times=False)
    samples = recording("en-02.flac")
    window = Window(samples, (Piece(0, 0, len(samples)),))
    heard = await engine.hear(WindowRequest(window, Instructions(language="en", word_times=True), Caller(object())))
    await engine.close()
    assert "".join(segment.text for segment in heard.segments).strip() == spoken_text("en-02.flac")
    assert [segment.words for segment in heard.segments] == [()]
