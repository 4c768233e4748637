"""Models of other shapes: English-only, more mel bands, turbo's four decoder layers, distil's two."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from faster_whisper import BatchedInferencePipeline, WhisperModel

from tests.support.checkpoints import convert_model, make_shape
from tests.unit.server.engines import DEVICE, GREEDY, SETTINGS, recording, transcribe
from whisper_server.engine.whisper import WhisperEngine

pytestmark = pytest.mark.slow

SHAPES: dict[str, dict[str, Any]] = {
    "English-only": {"mels": 80, "decoder_layers": 2, "multilingual": False},
    "turbo": {"mels": 128, "decoder_layers": 4, "multilingual": True},
    "distil": {"mels": 128, "decoder_layers": 2, "multilingual": True},
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_models_of_every_shape_write_what_faster_whisper_writes(tmp_path: Path, shape: str) -> None:
    source = make_shape(tmp_path / "checkpoint", **SHAPES[shape])
    (tmp_path / "model").mkdir()
    path = convert_model(source, tmp_path / "model")
    engine = await WhisperEngine.load(path, SETTINGS)
    try:
        reference = WhisperModel(str(path), device=DEVICE, cpu_threads=1)
        # A text that may not end: a decoder that was never trained in this shape may have nothing to say.
        suppressed = (-1, reference.hf_tokenizer.token_to_id("<|endoftext|>"))
        samples = recording("en-02.flac")
        decoding = replace(GREEDY, suppress_tokens=suppressed)
        heard = await transcribe(engine, samples, word_times=True, decoding=decoding)
        theirs, info = BatchedInferencePipeline(reference).transcribe(
            samples,
            batch_size=1,
            beam_size=1,
            temperature=0,
            word_timestamps=True,
            language=heard.language.language,
            suppress_tokens=list(suppressed),
        )
        expected = [segment for segment in theirs if segment.text.strip()]
        assert expected, "there is something to compare"
        assert [segment.text for segment in heard.segments] == [segment.text for segment in expected]
        words = [(word.text, word.start, word.end) for segment in heard.segments for word in segment.words]
        assert words == [(word.word, word.start, word.end) for segment in expected for word in segment.words or ()]
        assert bool(heard.language.probabilities) is SHAPES[shape]["multilingual"]
        assert info.language == heard.language.language
    finally:
        await engine.close()
