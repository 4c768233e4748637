"""A transformers Whisper checkpoint as a CTranslate2 specification.

Which tensor goes where is what CTranslate2's own converter does with a loaded model
(https://opennmt.net/CTranslate2/guides/transformers.html#whisper); here it is done with names.
"""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ctranslate2.specs.whisper_spec import WhisperSpec

from whisper_loader.model.documents import invalid, positive_integer, read_object
from whisper_loader.model.layout import CONFIG, GENERATION_CONFIG, PREPROCESSOR
from whisper_loader.model.safetensors import Tensor, load_checkpoint
from whisper_loader.model.shapes import check_shapes
from whisper_loader.model.tokenizer import load_tokenizer, tokens_by_id
from whisper_loader.model.variables import Joined, Zeros
from whisper_loader.model.vocabulary import full_vocabulary, language_ids

_DTYPES = ("float32", "float16", "bfloat16")
_PREFIX = "model."  # absent in checkpoints saved without the output layer
_EMBEDDING = "decoder.embed_tokens"
_PROJECTION = "proj_out"
_FIRST_CONVOLUTION = "encoder.conv1.weight"
_CONVOLUTION_RANK = 3
_MAX_LAYERS = 256
_MAX_HEADS = 1024


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint's parts, read and checked as far as the conversion needs.

    Attributes:
        config: config.json.
        generation: generation_config.json, empty when there is none.
        tensors: by name, without the prefix "model.".
        dtype: that the model is loaded in: what config.json says, otherwise that of the stored weights.
        vocabulary: tokens in order.
        mel_bins: mel bands that the encoder takes.
    """

    directory: Path
    config: dict[str, Any]
    generation: dict[str, Any]
    tensors: dict[str, Tensor]
    dtype: str
    vocabulary: list[str]
    mel_bins: int


def read_checkpoint(directory: Path) -> Checkpoint:
    """Return the checkpoint in `directory`.

    Raises:
        LoaderError: InvalidModel, saying what is missing or does not fit.
    """
    config = read_object(directory / CONFIG)
    if config.get("model_type") != "whisper":
        raise invalid(f"{CONFIG} says model_type {config.get('model_type')!r}: this is not a Whisper model")
    tensors = {name.removeprefix(_PREFIX): tensor for name, tensor in load_checkpoint(directory).items()}
    embedding = find_tensor(tensors, f"{_EMBEDDING}.weight")
    size = positive_integer(config, "vocab_size", CONFIG)
    if size != embedding.shape[0]:
        raise invalid(f"{CONFIG} says vocab_size {size}, and there are embeddings for {embedding.shape[0]} tokens")
    check_shapes(tensors, config)
    vocabulary = full_vocabulary(tokens_by_id(load_tokenizer(directory)), size)
    has_generation = (directory / GENERATION_CONFIG).is_file()
    generation = read_object(directory / GENERATION_CONFIG) if has_generation else {}
    declared = config.get("dtype") or config.get("torch_dtype")
    dtype = declared if declared in _DTYPES else embedding.dtype
    return Checkpoint(directory, config, generation, tensors, dtype, vocabulary, _mel_bins(directory, config, tensors))


def _mel_bins(directory: Path, config: dict[str, Any], tensors: dict[str, Tensor]) -> int:
    """What the first convolution takes, with which the documents must agree as far as they say it."""
    shape = find_tensor(tensors, _FIRST_CONVOLUTION).shape
    if len(shape) != _CONVOLUTION_RANK:
        raise invalid(f"the first convolution has the shape {list(shape)}, which is not Whisper's")
    says = {(CONFIG, "num_mel_bins"): config}
    if (directory / PREPROCESSOR).is_file():
        says[PREPROCESSOR, "feature_size"] = read_object(directory / PREPROCESSOR)
    for (name, key), document in says.items():
        if key in document and document[key] != shape[1]:
            raise invalid(f"{name} says {key} {document[key]!r}, and the first convolution takes {shape[1]} mel bands")
    return shape[1]


def find_tensor(tensors: dict[str, Tensor], name: str) -> Tensor:
    """Return the tensor; LoaderError InvalidModel when the checkpoint does not have it."""
    tensor = tensors.get(name)
    if tensor is None:
        raise invalid(f"the checkpoint has no tensor {_PREFIX}{name}")
    return tensor


def build_spec(checkpoint: Checkpoint) -> WhisperSpec:
    """Return the specification that CTranslate2 saves, with configuration and vocabulary.

    Raises:
        LoaderError: InvalidModel for a tensor or setting that is missing or not what a Whisper has.
    """
    spec = WhisperSpec(*(_counts(checkpoint.config, "encoder")), *(_counts(checkpoint.config, "decoder")))
    _Filler(checkpoint).fill(spec)
    _configure(spec, checkpoint)
    spec.register_vocabulary(checkpoint.vocabulary)
    return spec


def _counts(config: dict[str, Any], side: str) -> tuple[int, int]:
    """Layers and heads of one side."""
    layers = positive_integer(config, f"{side}_layers", CONFIG, _MAX_LAYERS)
    return layers, positive_integer(config, f"{side}_attention_heads", CONFIG, _MAX_HEADS)


def _configure(spec: WhisperSpec, checkpoint: Checkpoint) -> None:
    """Generation settings: from generation_config.json, from config.json when there is none."""
    source = checkpoint.generation or checkpoint.config
    config = spec.config
    config.suppress_ids = _integers("suppress_tokens", source.get("suppress_tokens"))
    config.suppress_ids_begin = _integers("begin_suppress_tokens", source.get("begin_suppress_tokens"))
    config.alignment_heads = _heads(source.get("alignment_heads")) or _default_alignment_heads(checkpoint.config)
    ids = source.get("lang_to_id")
    config.lang_ids = _language_ids(ids) if isinstance(ids, dict) else language_ids(checkpoint.vocabulary)


def _integers(key: str, value: Any) -> list[int] | None:
    """The list, as long as it is one; that its numbers fit the model is checked when the result is."""
    if value is not None and not (isinstance(value, list) and all(isinstance(number, int) for number in value)):
        raise invalid(f"the generation settings have {key} that are not a list of numbers")
    return value


def _heads(value: Any) -> list[list[int]] | None:
    if value is not None and not isinstance(value, list):
        raise invalid("the generation settings have alignment_heads that are not a list")
    for head in value or []:
        _integers("alignment_heads", head)
    return value


def _language_ids(ids: dict[str, Any]) -> list[int]:
    if not all(isinstance(index, int) for index in ids.values()):
        raise invalid(f"{GENERATION_CONFIG} has a lang_to_id whose values are no numbers")
    return sorted(ids.values())


def _default_alignment_heads(config: dict[str, Any]) -> list[tuple[int, int]]:
    """All heads of the upper half of the decoder: CTranslate2's choice for models whose heads nobody has measured."""
    layers, heads = _counts(config, "decoder")
    return list(itertools.product(range(layers // 2, layers), range(heads)))


class _Filler:
    """Puts the checkpoint's tensors where the specification wants them."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint

    def fill(self, spec: WhisperSpec) -> None:
        for side, name in ((spec.encoder, "encoder"), (spec.decoder, "decoder")):
            side.position_encodings.encodings = self._variable(f"{name}.embed_positions.weight")
            self._norm(side.layer_norm, f"{name}.layer_norm")
            for index, layer in enumerate(side.layer):
                self._layer(layer, f"{name}.layers.{index}")
        for conv, name in ((spec.encoder.conv1, "encoder.conv1"), (spec.encoder.conv2, "encoder.conv2")):
            self._linear(conv, name)
        spec.decoder.embeddings.weight = self._variable(f"{_EMBEDDING}.weight")
        spec.decoder.projection.weight = self._variable(f"{self._output_layer()}.weight")

    def _output_layer(self) -> str:
        tied = self._checkpoint.config.get("tie_word_embeddings", True)
        return _EMBEDDING if tied or f"{_PROJECTION}.weight" not in self._checkpoint.tensors else _PROJECTION

    def _layer(self, layer: Any, name: str) -> None:
        attention, projections = layer.self_attention, f"{name}.self_attn"
        self._fused(attention.linear[0], *(f"{projections}.{part}_proj" for part in "qkv"))
        self._linear(attention.linear[1], f"{projections}.out_proj")
        self._norm(attention.layer_norm, f"{name}.self_attn_layer_norm")
        if hasattr(layer, "attention"):
            self._cross_attention(layer.attention, name)
        self._linear(layer.ffn.linear_0, f"{name}.fc1")
        self._linear(layer.ffn.linear_1, f"{name}.fc2")
        self._norm(layer.ffn.layer_norm, f"{name}.final_layer_norm")

    def _cross_attention(self, attention: Any, name: str) -> None:
        projections = f"{name}.encoder_attn"
        self._linear(attention.linear[0], f"{projections}.q_proj")
        self._fused(attention.linear[1], f"{projections}.k_proj", f"{projections}.v_proj")
        self._linear(attention.linear[2], f"{projections}.out_proj")
        self._norm(attention.layer_norm, f"{name}.encoder_attn_layer_norm")

    def _norm(self, spec: Any, name: str) -> None:
        spec.gamma = self._variable(f"{name}.weight")
        spec.beta = self._variable(f"{name}.bias")

    def _linear(self, spec: Any, name: str) -> None:
        self._fused(spec, name)

    def _fused(self, spec: Any, *names: str) -> None:
        """Join the layers `names` into one; a bias that one of them lacks (Whisper's keys) is nought."""
        tensors = self._checkpoint.tensors
        spec.weight = self._variable(*(f"{name}.weight" for name in names))
        rows = [self._tensor(f"{name}.weight").shape[0] for name in names]
        biases = [tensors.get(f"{name}.bias") or Zeros((length,)) for name, length in zip(names, rows, strict=True)]
        if any(isinstance(bias, Tensor) for bias in biases):
            spec.bias = self._make(biases)

    def _variable(self, *names: str) -> Joined:
        return self._make([self._tensor(name) for name in names])

    def _make(self, parts: list[Tensor] | list[Tensor | Zeros]) -> Joined:
        return Joined(tuple(parts), (self._checkpoint.dtype,))

    def _tensor(self, name: str) -> Tensor:
        return find_tensor(self._checkpoint.tensors, name)
