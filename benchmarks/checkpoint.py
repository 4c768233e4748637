"""Makes a Whisper checkpoint of a real model's shape, with random weights, in transformers' layout."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

_FIXTURE = Path(__file__).parents[1] / "tests/fixtures/speech-model"
_BLOCK = 1 << 22


@dataclass(frozen=True, slots=True)
class Shape:
    """The numbers that tell Whispers apart."""

    d_model: int
    heads: int
    encoder_layers: int
    decoder_layers: int
    vocabulary: int
    mel_bins: int


LARGE_V3_TURBO = Shape(1280, 20, 32, 4, 51_866, 128)


def make_checkpoint(folder: Path, shape: Shape, say: Callable[[str], None]) -> Path:
    """Write a float16 checkpoint to `folder`, which must not exist; its tokenizer is the small speech model's."""
    folder.mkdir(parents=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        shutil.copyfile(_FIXTURE / name, folder / name)
    _edit_json("config.json", folder, _config(shape))
    _edit_json("preprocessor_config.json", folder, {"feature_size": shape.mel_bins})
    _write_weights(folder / "model.safetensors", dict(_tensors(shape)), say)
    return folder


def _edit_json(name: str, folder: Path, changes: dict[str, object]) -> None:
    document = json.loads((_FIXTURE / name).read_text())
    (folder / name).write_text(json.dumps({**document, **changes}, indent=2))


def _config(shape: Shape) -> dict[str, object]:
    both: dict[str, object] = {}
    for side, layers in (("encoder", shape.encoder_layers), ("decoder", shape.decoder_layers)):
        both[f"{side}_layers"] = layers
        both[f"{side}_attention_heads"] = shape.heads
        both[f"{side}_ffn_dim"] = 4 * shape.d_model
    sizes = {"d_model": shape.d_model, "vocab_size": shape.vocabulary, "num_mel_bins": shape.mel_bins}
    return {**both, **sizes, "num_hidden_layers": shape.encoder_layers, "dtype": "float16"}


def _tensors(shape: Shape) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes, as transformers stores them."""
    width = shape.d_model
    yield from _linear("model.encoder.conv1", width, shape.mel_bins, 3)
    yield from _linear("model.encoder.conv2", width, width, 3)
    yield "model.encoder.embed_positions.weight", (1500, width)
    yield "model.decoder.embed_tokens.weight", (shape.vocabulary, width)
    yield "model.decoder.embed_positions.weight", (448, width)
    for side, layers in (("encoder", shape.encoder_layers), ("decoder", shape.decoder_layers)):
        yield from _linear(f"model.{side}.layer_norm", width)
        for index in range(layers):
            yield from _layer(f"model.{side}.layers.{index}", width)
            if side == "decoder":
                yield from _attention(f"model.{side}.layers.{index}.encoder_attn", width)


def _layer(name: str, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from _attention(f"{name}.self_attn", width)
    yield from _linear(f"{name}.fc1", 4 * width, width)
    yield from _linear(f"{name}.fc2", width, 4 * width)
    yield from _linear(f"{name}.final_layer_norm", width)


def _attention(name: str, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from _linear(f"{name}_layer_norm", width)
    yield f"{name}.k_proj.weight", (width, width)
    for part in "qv":
        yield from _linear(f"{name}.{part}_proj", width, width)
    yield from _linear(f"{name}.out_proj", width, width)


def _linear(name: str, *shape: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", shape
    yield f"{name}.bias", shape[:1]


def _write_weights(path: Path, tensors: dict[str, tuple[int, ...]], say: Callable[[str], None]) -> None:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in tensors.items():
        begin, end = end, end + 2 * prod(shape)
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    say(f"writing {len(tensors)} random tensors, {end / 1e9:.2f} GB")
    random = np.random.default_rng(7)
    with path.open("xb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for start in range(0, end // 2, _BLOCK):
            numbers = random.random(min(_BLOCK, end // 2 - start), np.float32) - np.float32(0.5)
            file.write(numbers.astype(np.float16).tobytes())
