"""A model that lacks small files, or has them in an older form, is completed where that is exact."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from faster_whisper import WhisperModel
from tokenizers import Tokenizer

from tests.support.checkpoints import convert_model, copy_model, edit_json
from tests.support.models import RECORDINGS, SPEECH_MODEL, spoken_text
from tests.support.vocabularies import fixture_tokenizer, take_apart
from whisper_contract.reasons import Reason
from whisper_loader.errors import LoaderError
from whisper_loader.model.complete import take_over
from whisper_loader.model.layout import PUBLISHED_FILES, find_model
from whisper_loader.model.tokenizer import load_tokenizer
from whisper_loader.model.validate import validate

SENTENCES = [
    "turn on the light",
    " Hello, world! 123",
    "안녕하세요 여러분",
    "<|ko|><|transcribe|>zero",
    "a\n\tb  c — ü\r\n",
    "",
]


@pytest.fixture
def source(whole_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole_model, tmp_path / "source"))


def taken_over(source: Path) -> Path:
    target = source.with_name("target")
    target.mkdir()
    take_over(source, target)
    return target


def transcribe(model: Path, recording: str) -> str:
    whisper = WhisperModel(str(model), device="cpu", compute_type="float32", cpu_threads=1, local_files_only=True)
    segments, _ = whisper.transcribe(str(RECORDINGS / recording), language="en", without_timestamps=True)
    return " ".join(segment.text.strip() for segment in segments)


@pytest.mark.parametrize("flags", [True, False], ids=["tokenizer_config.json", "added_tokens.json"])
def test_a_tokenizer_made_of_its_parts_is_the_one_that_was_taken_apart(flags: bool, tmp_path: Path) -> None:  # noqa: FBT001  (pytest's)
    take_apart(tmp_path, flags=flags)
    made, real = load_tokenizer(tmp_path), fixture_tokenizer()
    made["model"]["merges"] = [line.split(" ") for line in made["model"]["merges"]]
    assert made == real


@pytest.mark.parametrize("flags", [True, False], ids=["tokenizer_config.json", "added_tokens.json"])
def test_the_tokenizers_library_reads_and_writes_the_same_with_it(flags: bool, tmp_path: Path) -> None:  # noqa: FBT001  (pytest's)
    take_apart(tmp_path, flags=flags)
    made = Tokenizer.from_str(json.dumps(load_tokenizer(tmp_path)))
    real = Tokenizer.from_file(str(SPEECH_MODEL / "tokenizer.json"))
    for sentence in SENTENCES:
        ids = real.encode(sentence).ids
        assert made.encode(sentence).ids == ids
        for skip in (True, False):
            assert made.decode(ids, skip_special_tokens=skip) == real.decode(ids, skip_special_tokens=skip)
    assert made.get_vocab(with_added_tokens=True) == real.get_vocab(with_added_tokens=True)


def test_a_checkpoint_without_tokenizer_and_preprocessor_transcribes_all_the_same(tmp_path: Path) -> None:
    source = copy_model(tmp_path / "source", without=["tokenizer.json", "preprocessor_config.json"])
    take_apart(source, flags=False)
    (tmp_path / "model").mkdir()
    model = convert_model(source, tmp_path / "model")
    assert validate(model).mel_bins == 80
    assert transcribe(model, "en-00.flac") == spoken_text("en-00.flac")


def test_an_older_converted_model_is_rewritten_and_transcribes(source: Path, whole_model: Path) -> None:
    tokens = json.loads((source / "vocabulary.json").read_text())
    (source / "vocabulary.json").unlink()
    (source / "vocabulary.txt").write_text("".join(f"{token}\n" for token in tokens))
    (source / "preprocessor_config.json").unlink()
    take_apart(source, flags=True)
    model = taken_over(source)
    assert sorted(path.name for path in model.iterdir()) == sorted(PUBLISHED_FILES)
    assert (model / "vocabulary.json").read_bytes() == (whole_model / "vocabulary.json").read_bytes()
    assert validate(model).multilingual
    assert transcribe(model, "en-01.flac") == spoken_text("en-01.flac")


def test_a_whole_model_is_moved_as_it_is(source: Path, whole_model: Path) -> None:
    model = taken_over(source)
    for name in PUBLISHED_FILES:
        assert (model / name).read_bytes() == (whole_model / name).read_bytes()
    assert not list(source.iterdir())


def test_the_made_preprocessor_is_what_transformers_writes(source: Path) -> None:
    real = json.loads((source / "preprocessor_config.json").read_text())
    (source / "preprocessor_config.json").unlink()
    made = json.loads((taken_over(source) / "preprocessor_config.json").read_text())
    assert made == {**{key: real[key] for key in real if key != "processor_class"}, "dither": 0.0}


def drop(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def add_ids(ids: dict[str, object]) -> Callable[[Path], None]:
    return lambda folder: edit_json(folder / "added_tokens.json", **ids)


PARTS_FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no vocabulary": (drop("vocab.json"), "tokenizer.json is missing, and so is vocab.json"),
    "no merges": (drop("merges.txt"), "and so is merges.txt, of which it could be made: take tokenizer.json from"),
    "no added tokens": (drop("added_tokens.json"), "do not tell all tokens: take tokenizer.json from the model"),
    "a gap": (add_ids({"<|further|>": 60_000}), "do not tell all tokens"),
    "an id that is text": (add_ids({"<|further|>": "51865"}), "added_tokens.json has an id that is not a number"),
    "two ids for a token": (add_ids({"!": 51_865}), "do not agree on the ids"),
    "other merges": (
        lambda folder: (folder / "merges.txt").write_text("#version: 0.2\n! never\n"),
        "merges.txt: vocab.json does not have what pair 1 joins",
    ),
    "merges are no text": (
        lambda folder: (folder / "merges.txt").write_bytes(b"\xff"),
        "merges.txt is not text",
    ),
}


@pytest.mark.parametrize("case", PARTS_FAULTS)
def test_a_tokenizer_that_can_not_be_made_exactly_is_not_made(case: str, tmp_path: Path) -> None:
    change, message = PARTS_FAULTS[case]
    take_apart(tmp_path, flags=False)
    change(tmp_path)
    with pytest.raises(LoaderError) as raised:
        load_tokenizer(tmp_path)
    assert raised.value.reason is Reason.INVALID_MODEL
    assert message in raised.value.message


def test_the_parts_are_asked_for_where_they_are_what_the_model_has(source: Path) -> None:
    take_apart(source, flags=True)
    names = find_model(path.name for path in source.iterdir()).names
    assert {"vocab.json", "merges.txt", "tokenizer_config.json"} < set(names)
