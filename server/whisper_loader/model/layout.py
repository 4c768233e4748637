"""Which files make a Whisper model, in each of its two formats; told from names alone, before anything is read."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from whisper_contract.reasons import Reason
from whisper_loader.errors import LoaderError

WEIGHTS = "model.bin"
CONFIG = "config.json"
VOCABULARY = "vocabulary.json"
TOKENIZER = "tokenizer.json"
PREPROCESSOR = "preprocessor_config.json"
#: Every file of a published artifact but its manifest, in the order in which messages name them.
PUBLISHED_FILES = (WEIGHTS, CONFIG, VOCABULARY, TOKENIZER, PREPROCESSOR)

GENERATION_CONFIG = "generation_config.json"
SAFETENSORS = "model.safetensors"
SAFETENSORS_INDEX = "model.safetensors.index.json"

_SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")
_PICKLE = re.compile(r".+\.(pt|pth|ckpt|pkl)|pytorch_model.*\.bin")
_SHOWN_NAMES = 8


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
    """Return which of `names`, the files of one folder, make a model.

    Raises:
        LoaderError: UnsupportedFormat when there are no weights in a form that is read here.
    """
    present = frozenset(names)
    if WEIGHTS in present:
        return ModelFiles(ModelFormat.CTRANSLATE2, tuple(name for name in PUBLISHED_FILES if name in present))
    weights = _safetensors(present)
    if not weights:
        raise LoaderError(Reason.UNSUPPORTED_FORMAT, _describe_no_weights(present))
    others = (CONFIG, GENERATION_CONFIG, TOKENIZER, PREPROCESSOR)
    return ModelFiles(ModelFormat.TRANSFORMERS, (*weights, *(name for name in others if name in present)))


def _safetensors(present: frozenset[str]) -> tuple[str, ...]:
    """A single file wins over shards, as in transformers itself."""
    if SAFETENSORS in present:
        return (SAFETENSORS,)
    if SAFETENSORS_INDEX in present:
        return (SAFETENSORS_INDEX, *sorted(filter(_SHARD.fullmatch, present)))
    return ()


def _describe_no_weights(present: frozenset[str]) -> str:
    if pickles := sorted(filter(_PICKLE.fullmatch, present)):
        return f"the weights are only there as pickles ({_shorten(pickles)}), which can run code and are never read"
    found = f"found {_shorten(sorted(present))}" if present else "the folder is empty"
    return f"no weights of a Whisper model ({WEIGHTS}, {SAFETENSORS} or {SAFETENSORS_INDEX}): {found}"


def _shorten(names: list[str]) -> str:
    more = len(names) - _SHOWN_NAMES
    return ", ".join(names[:_SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")
