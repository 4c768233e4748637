"""Which files make a Whisper model, in each of its two formats; told from names alone, before anything is read."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from whisper_contract.reasons import Reason
from whisper_loader.errors import LoaderError

WEIGHTS = "model.bin"
CONFIG = "config.json"
VOCABULARY = "vocabulary.json"
TOKENIZER = "tokenizer.json"
PREPROCESSOR = "preprocessor_config.json"
#: Every file of a published artifact but its manifest, in the order in which messages name them.
PUBLISHED_FILES = (WEIGHTS, CONFIG, VOCABULARY, TOKENIZER, PREPROCESSOR)

#: The vocabulary as CTranslate2 wrote it until 2023; read and rewritten.
VOCABULARY_TEXT = "vocabulary.txt"
VOCAB = "vocab.json"
MERGES = "merges.txt"
ADDED_TOKENS = "added_tokens.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
#: What tokenizer.json is made of where it is missing.
TOKENIZER_PARTS = (VOCAB, MERGES, ADDED_TOKENS, TOKENIZER_CONFIG)

GENERATION_CONFIG = "generation_config.json"
SAFETENSORS = "model.safetensors"
SAFETENSORS_INDEX = "model.safetensors.index.json"

_SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")
_SHOWN_NAMES = 8
_PYTHON = 'python -c "from transformers import WhisperForConditionalGeneration as W'
# What people publish that is read nowhere here, told by names, with what mends it.
_FOREIGN = {
    re.compile(r"adapter_config\.json|adapter_model\..+"): (
        "a LoRA adapter ({found}), which is no model without the one that it was trained on: merge the two with "
        f"{_PYTHON}; from peft import PeftModel as P; P.from_pretrained(W.from_pretrained('BASE'), 'ADAPTER')"
        ".merge_and_unload().save_pretrained('MERGED')\" and add the tokenizer of BASE"
    ),
    re.compile(r"ggml.*\.bin|.+\.(gguf|ggml)"): (
        "weights for whisper.cpp ({found}), which are not read here: take the checkpoint that they were made from"
    ),
    re.compile(r"pytorch_model.*\.bin"): (
        "the weights are only there as pickles ({found}), which can run code and are never read: where you trust them, "
        f"{_PYTHON}; W.from_pretrained('DIR').save_pretrained('DIR')\" writes safetensors beside them"
    ),
    re.compile(r".+\.(pt|pth|ckpt|pkl)"): (
        "the weights are only there as pickles ({found}), which can run code and are never read: a model in OpenAI's "
        "own format is made into safetensors by convert_openai_to_hf.py of transformers 4"
    ),
}


class ModelFormat(StrEnum):
    """The format that a source holds."""

    CTRANSLATE2 = "ctranslate2"
    TRANSFORMERS = "transformers"


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The format of a model, and those of a folder's files that it consists of; whether any is missing shows later."""

    format: ModelFormat
    names: tuple[str, ...]


def find_model(names: Iterable[str]) -> ModelFiles:
    """Return which of `names`, the files of one folder, make a model; names of folders in it end in a slash.

    Raises:
        LoaderError: UnsupportedFormat when there are no weights in a form that is read here.
    """
    present = frozenset(names)
    weights = (WEIGHTS,) if WEIGHTS in present else _safetensors(present)
    if not weights:
        raise LoaderError(Reason.UNSUPPORTED_FORMAT, _describe_no_weights(present))
    tokenizer = (TOKENIZER,) if TOKENIZER in present else TOKENIZER_PARTS
    if WEIGHTS in present:
        vocabulary = VOCABULARY if VOCABULARY in present else VOCABULARY_TEXT
        wanted = (*weights, CONFIG, vocabulary, *tokenizer, PREPROCESSOR)
        return ModelFiles(ModelFormat.CTRANSLATE2, tuple(name for name in wanted if name in present))
    wanted = (*weights, CONFIG, GENERATION_CONFIG, *tokenizer, PREPROCESSOR)
    return ModelFiles(ModelFormat.TRANSFORMERS, tuple(name for name in wanted if name in present))


def find_model_in(folder: Path) -> ModelFiles:
    """Return which files of `folder` make a model.

    Raises:
        LoaderError: as `find_model`.
        OSError: of reading the folder.
    """
    with os.scandir(folder) as entries:
        return find_model(
            f"{entry.name}/" if entry.is_dir() else entry.name for entry in entries if entry.is_dir() or entry.is_file()
        )


def _safetensors(present: frozenset[str]) -> tuple[str, ...]:
    """A single file wins over shards, as in transformers itself."""
    if SAFETENSORS in present:
        return (SAFETENSORS,)
    if SAFETENSORS_INDEX in present:
        return (SAFETENSORS_INDEX, *sorted(filter(_SHARD.fullmatch, present)))
    return ()


def _describe_no_weights(present: frozenset[str]) -> str:
    for pattern, sentence in _FOREIGN.items():
        if names := sorted(filter(pattern.fullmatch, present)):
            return sentence.format(found=_shorten(names))
    found = f"found {_shorten(sorted(present))}" if present else "the folder is empty"
    if any(name.endswith("/") for name in present):
        found += "; a model's files lie at the top, or in one folder around them"
    return f"no weights of a Whisper model ({WEIGHTS}, {SAFETENSORS} or {SAFETENSORS_INDEX}): {found}"


def _shorten(names: list[str]) -> str:
    more = len(names) - _SHOWN_NAMES
    return ", ".join(names[:_SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")
