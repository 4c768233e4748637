"""Checkpoints derived from the small speech model: other types of weights, shards, one thing wrong."""

import io
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.models import SPEECH_MODEL
from whisper_loader.deadline import Deadline
from whisper_loader.model.convert import convert
from whisper_loader.model.safetensors import load_checkpoint
from whisper_loader.progress import LineDisplay, Meter

_NAMES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
Weights = dict[str, NDArray[Any]]
#: The last token of multilingual models' text.
EMPTY_TOKEN = 50_256


def copy_model(target: Path, *, without: Sequence[str] = ()) -> Path:
    """Copy the small model to `target`, which must not exist, and return it."""
    target.mkdir(parents=True)
    for path in SPEECH_MODEL.iterdir():
        if path.name not in without:
            shutil.copyfile(path, target / path.name)
    return target


def convert_model(source: Path, target: Path, quantization: str | None = None) -> Path:
    """Convert the checkpoint in `source` into the empty folder `target`, and return that."""
    with Meter(LineDisplay("convert", io.StringIO()), Deadline()) as meter:
        convert(source, target, quantization, meter)
    return target


def edit_json(path: Path, **changes: Any) -> None:
    """Set keys of a JSON object; None removes a key."""
    document = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in document.items() if value is not None}))


def weights() -> Weights:
    """Return the small model's tensors, as float16."""
    return {name: tensor.values() for name, tensor in sorted(load_checkpoint(SPEECH_MODEL).items())}


def noisy_weights() -> Weights:
    """Return the tensors as float32 with every number a little off, so that rounding them really rounds.

    The noise is exact integer arithmetic: the same numbers on every machine.
    """
    return {name: _noisy(values.astype(np.float32), seed) for seed, (name, values) in enumerate(weights().items())}


def _noisy(values: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    index = np.arange(values.size, dtype=np.uint64) + np.uint64(seed * 1_000_003)
    noise = ((index * np.uint64(2_654_435_761)) >> np.uint64(16)) & np.uint64(0xFFF)
    factor = np.float32(1) + (noise.astype(np.float32) - np.float32(2048)) * np.float32(2**-22)
    return values * factor.reshape(values.shape)


#: So much more likely than any other token that there is nothing to fall back from.
_LOUD = 100


def save_safetensors(path: Path, tensors: Mapping[str, NDArray[Any]], dtype: str) -> None:
    """Write tensors (float32 ones may be stored as bfloat16, cut off rather than rounded)."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    contents = []
    offset = 0
    for name, values in tensors.items():
        content = _bytes(values, dtype)
        contents.append(content)
        header[name] = {
            "dtype": _NAMES[dtype],
            "shape": list(values.shape),
            "data_offsets": [offset, offset + len(content)],
        }
        offset += len(content)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(contents))


def _bytes(values: NDArray[Any], dtype: str) -> bytes:
    if dtype == "bfloat16":
        return (np.ascontiguousarray(values, np.float32).view(np.uint32) >> 16).astype(np.uint16).tobytes()
    return values.astype(dtype).tobytes()


def make_variant(target: Path, stored: str, declared: str | None) -> Path:
    """Write the noisy model with weights stored as `stored`, in a checkpoint whose config says `declared`."""
    copy_model(target, without=["model.safetensors"])
    save_safetensors(target / "model.safetensors", noisy_weights(), stored)
    edit_json(target / "config.json", dtype=declared)
    return target


def make_deaf(target: Path) -> Path:
    """Write a model that is whole in every way, and hears nothing: it says at once that the text has ended."""
    copy_model(target, without=["model.safetensors"])
    tensors = dict(weights())
    end = json.loads((target / "config.json").read_text())["eos_token_id"]
    # The last layer's norm gives the decoder the same state whatever came in: the embedding of the text's end.
    norm = "model.decoder.layer_norm"
    tensors[f"{norm}.weight"] = np.zeros_like(tensors[f"{norm}.weight"])
    tensors[f"{norm}.bias"] = tensors["model.decoder.embed_tokens.weight"][end] * np.float16(_LOUD)
    save_safetensors(target / "model.safetensors", tensors, "float16")
    return target


def make_uneven(target: Path) -> Path:
    """Write a model of another shape: three encoder layers, one decoder layer, four and eight heads."""
    copy_model(target, without=["model.safetensors"])
    tensors = {name: values for name, values in noisy_weights().items() if ".decoder.layers.1." not in name}
    for name in [name for name in tensors if ".encoder.layers.0." in name]:
        tensors[name.replace(".0.", ".2.")] = _noisy(tensors[name], 99)
    save_safetensors(target / "model.safetensors", tensors, "float16")
    shape = {"encoder_layers": 3, "decoder_layers": 1, "encoder_attention_heads": 4, "decoder_attention_heads": 8}
    edit_json(target / "config.json", **shape)
    edit_json(target / "generation_config.json", alignment_heads=None)
    return target


def make_shape(target: Path, *, mels: int, decoder_layers: int, multilingual: bool) -> Path:
    """Write a model of another shape, whose texts mean nothing: its decoder's layers and mel bands are repeated."""
    copy_model(target, without=["model.safetensors"])
    whole = noisy_weights()
    tensors = {name: values for name, values in whole.items() if ".decoder.layers." not in name}
    for name, values in whole.items():
        before, layers, rest = name.partition(".decoder.layers.")
        if layers:
            first, _, parameter = rest.partition(".")
            for layer in range(int(first), decoder_layers, 2):
                tensors[f"{before}{layers}{layer}.{parameter}"] = values
    convolution = "model.encoder.conv1.weight"
    tensors[convolution] = np.resize(tensors[convolution].swapaxes(0, 1), (mels, 128, 3)).swapaxes(0, 1)
    edit_json(target / "config.json", num_mel_bins=mels, decoder_layers=decoder_layers)
    edit_json(target / "preprocessor_config.json", feature_size=mels)
    if not multilingual:
        _make_english(target, tensors)
    save_safetensors(target / "model.safetensors", tensors, "float32")
    return target


def _make_english(target: Path, tensors: Weights) -> None:
    """Take away the empty token, which models that know English only do not have: by it CTranslate2 tells them."""
    embedding = "model.decoder.embed_tokens.weight"
    tensors[embedding] = np.delete(tensors[embedding], EMPTY_TOKEN, axis=0)
    tokenizer = json.loads((target / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"].pop("", None)
    tokenizer["added_tokens"] = [
        {**token, "id": token["id"] - 1} for token in tokenizer["added_tokens"] if token["id"] > EMPTY_TOKEN
    ]
    (target / "tokenizer.json").write_text(json.dumps(tokenizer))
    ends = {"bos_token_id": 50_256, "eos_token_id": 50_256, "pad_token_id": 50_256, "decoder_start_token_id": 50_257}
    edit_json(target / "config.json", vocab_size=51_864, begin_suppress_tokens=[220, 50_256], **ends)
    english = {"is_multilingual": False, "lang_to_id": None, "task_to_id": None}
    edit_json(target / "generation_config.json", begin_suppress_tokens=[220, 50_256], **english, **ends)


def make_sharded(target: Path, shards: int) -> Path:
    """Write the small model with its weights in several files and an index, as transformers does with large ones."""
    copy_model(target, without=["model.safetensors"])
    tensors = list(weights().items())
    weight_map: dict[str, str] = {}
    for index in range(shards):
        shard = f"model-{index + 1:05d}-of-{shards:05d}.safetensors"
        part = dict(tensors[index::shards])
        save_safetensors(target / shard, part, "float16")
        weight_map |= dict.fromkeys(part, shard)
    index_file = target / "model.safetensors.index.json"
    index_file.write_text(json.dumps({"metadata": {"total_size": 15_789_568}, "weight_map": weight_map}))
    return target
