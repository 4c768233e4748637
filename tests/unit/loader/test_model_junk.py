"""Whatever lies in a model's files: it is read or refused as InvalidModel, and nothing else happens."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.checkpoints import Weights, convert_model, edit_json, save_safetensors
from tests.support.documents import replaced
from tests.support.loader import whisper_model
from whisper_contract.reasons import Reason
from whisper_loader.errors import LoaderError
from whisper_loader.model.complete import take_over
from whisper_loader.model.ct2 import read_header
from whisper_loader.model.safetensors import load_checkpoint
from whisper_loader.model.tokenizer import START, load_tokenizer, tokens_by_id
from whisper_loader.model.validate import validate

pytestmark = pytest.mark.slow

# The folders are the same for every example: each writes again what the one before has changed.
many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

WIDTH, INNER, MELS, TOKENS = 4, 8, 3, ["a", "b", "ab", START]
CONFIG = {
    "model_type": "whisper",
    "vocab_size": len(TOKENS),
    "d_model": WIDTH,
    **{f"{side}_layers": 1 for side in ("encoder", "decoder")},
    **{f"{side}_attention_heads": 2 for side in ("encoder", "decoder")},
    **{f"{side}_ffn_dim": INNER for side in ("encoder", "decoder")},
    "num_mel_bins": MELS,
    "tie_word_embeddings": True,
    "dtype": "float32",
}
GENERATION = {
    "suppress_tokens": [1],
    "begin_suppress_tokens": [0],
    "alignment_heads": [[0, 1]],
    "lang_to_id": {"<|en|>": 2},
}
TOKENIZER: dict[str, Any] = {
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]},
    "added_tokens": [{"id": 3, "content": START, "special": True}],
}
FLAGS = {"3": {"content": START, "special": True}}
PARTS: dict[str, Any] = {
    "vocab.json": TOKENIZER["model"]["vocab"],
    "added_tokens.json": {START: 3},
    "tokenizer_config.json": {"added_tokens_decoder": FLAGS},
}

HUGE = st.sampled_from([2**31, 2**63, 2**64, -(2**70), 10**400, float("inf"), float("nan"), -1, 1e308])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | HUGE | st.text(st.characters(), max_size=9) | st.just("\ud800\n"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
DEEP = st.sampled_from([900, 950, 5_000]).map(lambda depth: b"[" * depth + b"]" * depth)
JUNK = st.binary(max_size=200) | VALUES.map(lambda value: json.dumps(value).encode()) | DEEP | st.just(b"9" * 5_000)


def tensors() -> Weights:
    """A Whisper of one layer on each side, with numbers that are all different."""
    shapes: dict[str, tuple[int, ...]] = {
        "encoder.conv1": (WIDTH, MELS, 3),
        "encoder.conv2": (WIDTH, WIDTH, 3),
        "decoder.embed_tokens": (len(TOKENS), WIDTH),
    }
    for side, kinds in (("encoder", ["self_attn"]), ("decoder", ["self_attn", "encoder_attn"])):
        layer = f"{side}.layers.0"
        shapes |= {f"{side}.embed_positions": (5, WIDTH), f"{side}.layer_norm": (WIDTH,)}
        shapes |= {
            f"{layer}.fc1": (INNER, WIDTH),
            f"{layer}.fc2": (WIDTH, INNER),
            f"{layer}.final_layer_norm": (WIDTH,),
        }
        shapes |= {f"{layer}.{kind}.{part}_proj": (WIDTH, WIDTH) for kind in kinds for part in ("q", "k", "v", "out")}
        shapes |= {f"{layer}.{kind}_layer_norm": (WIDTH,) for kind in kinds}
    found: Weights = {}
    for number, (name, shape) in enumerate(shapes.items(), 1):
        found[f"model.{name}.weight"] = np.arange(np.prod(shape), dtype=np.float32).reshape(shape) + number
        if "embed" not in name and "k_proj" not in name:
            found[f"model.{name}.bias"] = np.full(shape[0], number, np.float32)
    return found


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    save_safetensors(folder / "model.safetensors", tensors(), "float32")
    documents = {"config": CONFIG, "generation_config": GENERATION, "tokenizer": TOKENIZER}
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(document))
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": MELS}))
    return folder


@pytest.fixture
def model(checkpoint: Path) -> Path:
    folder = checkpoint.with_name("model")
    folder.mkdir()
    return convert_model(checkpoint, folder)


def attempt(work: Callable[[], object]) -> LoaderError | None:
    """Do it: the only error that may come is InvalidModel, in one line that can be printed."""
    caught = None
    try:
        work()
    except LoaderError as error:
        caught = error
    if caught is not None:
        assert caught.reason is Reason.INVALID_MODEL, caught
        assert caught.message.isprintable()
        assert len(caught.message) < 2_000
    return caught


def convert_again(source: Path) -> None:
    target = source.with_name("again")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    validate(convert_model(source, target))


def changed(document: Any) -> st.SearchStrategy[bytes]:
    """Junk, or the document with one value at any depth replaced by any other."""
    paths = st.sampled_from(list(_paths(document)))
    return JUNK | st.tuples(paths, VALUES).map(lambda change: json.dumps(replaced(document, *change)).encode())


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, child in pairs for found in ((*path, key), *_paths(child, (*path, key)))]


def test_the_small_checkpoint_is_whole(checkpoint: Path, model: Path) -> None:
    convert_again(checkpoint)
    assert validate(model).mel_bins == MELS


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("config.json", CONFIG),
        ("generation_config.json", GENERATION),
        ("tokenizer.json", TOKENIZER),
        ("preprocessor_config.json", {"feature_size": MELS}),
    ],
)
@many
@given(data=st.data())
def test_a_checkpoints_document_of_junk(name: str, document: Any, data: st.DataObject, checkpoint: Path) -> None:
    (checkpoint / name).write_bytes(data.draw(changed(document)))
    attempt(lambda: convert_again(checkpoint))


@pytest.mark.parametrize("name", ["config.json", "vocabulary.json", "tokenizer.json", "preprocessor_config.json"])
@many
@given(data=st.data())
def test_a_converted_models_document_of_junk(name: str, data: st.DataObject, model: Path) -> None:
    whole = model / f"{name}.whole"
    if not whole.exists():
        shutil.copyfile(model / name, whole)
    (model / name).write_bytes(data.draw(changed(json.loads(whole.read_bytes()))))
    attempt(lambda: validate(model))


@pytest.mark.parametrize("name", PARTS)
@many
@given(data=st.data())
def test_parts_of_a_tokenizer_of_junk(name: str, data: st.DataObject, tmp_path: Path) -> None:
    for part, document in PARTS.items():
        (tmp_path / part).write_text(json.dumps(document))
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b\n")
    if name == "added_tokens.json":
        (tmp_path / "tokenizer_config.json").unlink()
    (tmp_path / name).write_bytes(data.draw(changed(PARTS[name])))
    attempt(lambda: tokens_by_id(load_tokenizer(tmp_path)))


def test_an_id_of_a_thousand_digits_is_a_broken_token(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text("{}")
    (tmp_path / "merges.txt").write_text("")
    decoder = {"added_tokens_decoder": {"9" * 5_000: {"content": START}}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(decoder))
    with pytest.raises(LoaderError, match=r"tokenizer_config\.json has a broken added token"):
        load_tokenizer(tmp_path)


@many
@given(content=st.binary(max_size=100) | st.text(max_size=50).map(str.encode))
def test_an_old_vocabulary_of_junk(content: bytes, model: Path) -> None:
    source, target = model.with_name("old"), model.with_name("new")
    for folder in (source, target):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(model, source, ignore=shutil.ignore_patterns("vocabulary.json", "preprocessor_config.json"))
    target.mkdir()
    (source / "vocabulary.txt").write_bytes(content)

    def complete() -> None:
        take_over(source, target)
        validate(target)

    attempt(complete)


@pytest.mark.parametrize("name", ["model.bin", "tokenizer.json"])
def test_what_can_not_be_completed_is_named(name: str, model: Path) -> None:
    for missing in (name, "preprocessor_config.json"):
        (model / missing).unlink()
    model.with_name("new").mkdir()
    error = attempt(lambda: take_over(model, model.with_name("new")))
    assert error is not None
    assert f"{name} is missing" in error.message


bits = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 7)), min_size=1, max_size=4)


def flipped(content: bytes, flips: list[tuple[int, int]], limit: int) -> bytes:
    data = bytearray(content)
    for at, bit in flips:
        data[at % min(limit, len(data))] ^= 1 << bit
    return bytes(data)


@many
@given(flips=bits, cut=st.integers(0, 50))
def test_a_converted_model_with_flipped_bits(flips: list[tuple[int, int]], cut: int, model: Path) -> None:
    whole = model / "whole"
    if not whole.exists():
        shutil.copyfile(model / "model.bin", whole)
    data = flipped(whole.read_bytes(), flips, 10**6)
    (model / "model.bin").write_bytes(data[: len(data) - cut // 25])
    attempt(lambda: validate(model))


@many
@given(content=st.binary(max_size=100))
@example(content=b"\x06\0\0\0\xff\xff")
def test_weights_of_junk(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(content)
    (tmp_path / "model.safetensors").write_bytes(content)
    assert attempt(lambda: read_header(tmp_path / "model.bin"))
    assert attempt(lambda: load_checkpoint(tmp_path))


@many
@given(flips=bits)
def test_a_checkpoint_with_flipped_bits(flips: list[tuple[int, int]], checkpoint: Path) -> None:
    save_safetensors(checkpoint / "model.safetensors", tensors(), "float32")
    data = (checkpoint / "model.safetensors").read_bytes()
    (checkpoint / "model.safetensors").write_bytes(flipped(data, flips, 8 + int.from_bytes(data[:8], "little")))
    attempt(lambda: convert_again(checkpoint))


HEADER = {"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}


@many
@given(text=changed(HEADER))
@example(text=json.dumps({**HEADER, "y": HEADER["x"]}).encode())
@example(text=b'{"x": {"dtype": "F32", "shape": [true, 2], "data_offsets": [0, 8]}}')
def test_a_safetensors_header_of_junk(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(8))

    def read() -> None:
        found = load_checkpoint(tmp_path).values()
        assert sum(tensor.values().nbytes for tensor in found) <= 8, "no number is read twice"

    attempt(read)


@many
@given(content=changed({"weight_map": {"x": "model-00001-of-00001.safetensors"}}))
@example(content=json.dumps({"weight_map": {"x": ["a"], "y": "n" * 300, "z": "a\0b"}}).encode())
@example(content=json.dumps({"weight_map": {"y": "n" * 300}}).encode())
def test_an_index_of_junk(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.index.json").write_bytes(content)
    attempt(lambda: load_checkpoint(tmp_path))


@pytest.mark.parametrize("name", tensors())
def test_a_tensor_of_another_shape_is_named(name: str, checkpoint: Path) -> None:
    values = tensors()
    values[name] = np.concatenate([values[name]] * 2, axis=-1 if values[name].ndim < 3 else 0)
    save_safetensors(checkpoint / "model.safetensors", values, "float32")
    error = attempt(lambda: convert_again(checkpoint))
    assert error is not None
    assert name.removeprefix("model.") in error.message
    assert "do not fit together" in error.message


@pytest.mark.parametrize("fault", ["infinite", "heads"])
def test_a_conversion_that_fails_leaves_its_folder_empty(fault: str, checkpoint: Path) -> None:
    output = checkpoint.with_name("output")
    if fault == "infinite":
        values = tensors()
        values["model.encoder.layers.0.fc2.weight"][:] = np.inf
        save_safetensors(checkpoint / "model.safetensors", values, "float32")
    else:
        edit_json(checkpoint / "generation_config.json", alignment_heads=[[9, 0]])
    done = whisper_model("convert", checkpoint, "-o", output, "--quantization", "int8")
    assert done.exit_code != 0
    assert not list(output.iterdir())
