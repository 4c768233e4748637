"""What is not a whole Whisper model is refused, naming the check that failed."""

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whisper_contract.reasons import Reason
from whisper_loader.errors import LoaderError
from whisper_loader.model.ct2 import read_header
from whisper_loader.model.layout import PUBLISHED_FILES
from whisper_loader.model.validate import validate


@pytest.fixture
def model(whole_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole_model, tmp_path / "model"))


def edit(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


def edit_json(path: Path, change: Callable[[object], object]) -> None:
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


def refused(model: Path) -> str:
    with pytest.raises(LoaderError) as raised:
        validate(model)
    assert raised.value.reason is Reason.INVALID_MODEL
    return raised.value.message


def test_a_whole_model_is_described(model: Path) -> None:
    facts = validate(model)
    assert (facts.quantization, facts.mel_bins, facts.multilingual, len(facts.languages)) == ("float16", 80, True, 99)


@pytest.mark.parametrize("name", PUBLISHED_FILES)
@pytest.mark.parametrize("content", [None, b""])
def test_a_missing_or_empty_file_is_named(name: str, content: bytes | None, model: Path) -> None:
    (model / name).unlink()
    if content is not None:
        (model / name).write_bytes(content)
    assert refused(model) == f"{name} is missing or empty"


WEIGHTS_FAULTS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "text": (lambda _: b"Not a model, but a text of some length.", "not a CTranslate2 model of format version 6"),
    "two bytes": (lambda _: b"\x06\x00", "model.bin is cut short or damaged"),
    "another spec": (
        lambda data: data.replace(b"\x0c\0WhisperSpec\0", b"\x10\0TransformerSpec\0"),
        "model.bin holds a TransformerSpec, which is not a Whisper model",
    ),
    "newer revision": (
        lambda data: data.replace(b"WhisperSpec\0\x03", b"WhisperSpec\0\x04", 1),
        "model.bin has revision 4 of WhisperSpec; the newest that is known here is 3",
    ),
    "newer version": (lambda data: b"\x07" + data[1:], "not a CTranslate2 model of format version 6"),
    "cut in the middle": (lambda data: data[: len(data) // 2], "model.bin is cut short"),
    "cut by a byte": (lambda data: data[:-1], "model.bin is cut short or damaged"),
    "a byte too many": (lambda data: data + b"\0", "model.bin has more bytes than it declares"),
    "absurd count": (
        lambda data: data[:22] + struct.pack("<I", 1 << 31) + data[26:],
        "model.bin is damaged: it declares too many variables",
    ),
}


@pytest.mark.parametrize("case", WEIGHTS_FAULTS)
def test_weights_that_are_not_a_whole_whisper_are_refused(case: str, model: Path) -> None:
    change, message = WEIGHTS_FAULTS[case]
    edit(model / "model.bin", change)
    assert message in refused(model)


def with_key(key: str, value: object) -> Callable[[object], object]:
    def change(document: object) -> object:
        assert isinstance(document, dict)
        return {**document, key: value}

    return change


def list_edit(index: int, token: object) -> Callable[[object], object]:
    def change(document: object) -> object:
        assert isinstance(document, list)
        return [*document[:index], token, *document[index + 1 :]]

    return change


def without_added(document: Any, *ids: int) -> object:
    return {**document, "added_tokens": [entry for entry in document["added_tokens"] if entry["id"] not in ids]}


DOCUMENT_FAULTS: dict[str, tuple[str, Callable[[object], object], str]] = {
    "short vocabulary": ("vocabulary.json", lambda tokens: list(tokens)[:-1], "has 51864 tokens"),  # type: ignore[call-overload]  # a list
    "vocabulary of numbers": ("vocabulary.json", list_edit(7, 7), "vocabulary.json is not a list of tokens"),
    "vocabulary is an object": ("vocabulary.json", lambda _: {"a": 1}, "vocabulary.json is not a list of tokens"),
    "another vocabulary": ("vocabulary.json", list_edit(300, "odd"), "tokenizer.json calls token 300"),
    "tokenizer without vocabulary": ("tokenizer.json", with_key("model", {}), "tokenizer.json has no vocabulary"),
    "tokenizer of another model": (
        "tokenizer.json",
        lambda _: {"model": {"vocab": {"a": 0}}, "added_tokens": []},
        "it is not a Whisper tokenizer",
    ),
    "tokenizer without start tokens": (
        "tokenizer.json",
        lambda document: without_added(document, 50_359),
        "tokenizer.json has no token 50359, which vocabulary.json calls '<|transcribe|>'",
    ),
    "broken added token": ("tokenizer.json", with_key("added_tokens", [{"id": 1}]), "has a broken added token"),
    "ids that are text": (
        "tokenizer.json",
        with_key("model", {"vocab": {"a": "0"}}),
        "tokenizer.json has an id that is not a number",
    ),
    "config names unknown tokens": ("config.json", with_key("lang_ids", [99_999]), "lang_ids names tokens"),
    "config with other heads": ("config.json", with_key("alignment_heads", [[2, 0]]), "alignment_heads names heads"),
    "config with half a head": ("config.json", with_key("alignment_heads", [[1]]), "alignment_heads names heads"),
    "config lists text": ("config.json", with_key("suppress_ids", ["a"]), "suppress_ids names tokens"),
    "config is a list": ("config.json", lambda _: [], "config.json is not a JSON object"),
    "other mel bands": (
        "preprocessor_config.json",
        with_key("feature_size", 128),
        "makes 128 mel bands, and model.bin takes 80",
    ),
    "no mel bands": ("preprocessor_config.json", with_key("feature_size", None), "has no sensible feature_size"),
}


@pytest.mark.parametrize("case", DOCUMENT_FAULTS)
def test_documents_that_do_not_agree_are_refused(case: str, model: Path) -> None:
    name, change, message = DOCUMENT_FAULTS[case]
    edit_json(model / name, change)
    assert message in refused(model)


def test_early_tokenizers_without_timestamps_are_as_good(model: Path) -> None:
    edit_json(model / "tokenizer.json", lambda document: without_added(document, *range(50_364, 51_865)))
    assert validate(model).multilingual


def test_a_tokenizer_may_know_more_than_the_model(model: Path) -> None:
    more = {"id": 51_865, "content": "<|later|>", "special": True}
    edit_json(model / "tokenizer.json", lambda document: with_more(document, more))
    assert validate(model).multilingual


def with_more(document: Any, entry: object) -> object:
    return {**document, "added_tokens": [*document["added_tokens"], entry]}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(at=st.integers(0, 3000), noise=st.binary(min_size=1, max_size=20))
def test_a_header_with_any_bytes_overwritten_is_read_or_refused(
    whole_model: Path, tmp_path: Path, at: int, noise: bytes
) -> None:
    data = (whole_model / "model.bin").read_bytes()
    path = tmp_path / "model.bin"
    path.write_bytes(data[:at] + noise + data[at + len(noise) :])
    try:
        read_header(path)
    except LoaderError as error:
        assert error.reason is Reason.INVALID_MODEL  # noqa: PT017  (weights may be anything, and are not read)
