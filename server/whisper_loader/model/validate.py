"""Whether a folder holds a whole Whisper model in CTranslate2's form, whose files agree with one another.

Everything is told from headers and texts; the weights are not loaded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from whisper_loader.model.ct2 import WeightsHeader, read_header
from whisper_loader.model.documents import invalid, positive_integer, read_object
from whisper_loader.model.layout import CONFIG, PREPROCESSOR, PUBLISHED_FILES, TOKENIZER, VOCABULARY, WEIGHTS
from whisper_loader.model.tokenizer import is_timestamp, load_tokenizer, tokens_by_id
from whisper_loader.model.vocabulary import is_multilingual, languages, read_vocabulary

_EMBEDDINGS = "decoder/embeddings/weight"
_MATRIX_RANK = 2
# OpenAI's own settings list -1 where they mean the tokens that are never said.
_NONE = -1
_MAX_HEADS = 1024
_ID_LISTS = ("suppress_ids", "suppress_ids_begin", "lang_ids")


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a model is, as its manifest records it."""

    quantization: str
    mel_bins: int
    languages: tuple[str, ...]
    multilingual: bool


def validate(directory: Path) -> ModelFacts:
    """Return what the model in `directory` is.

    Raises:
        LoaderError: InvalidModel, saying which check failed.
    """
    for name in PUBLISHED_FILES:
        path = directory / name
        if not path.is_file() or path.stat().st_size == 0:
            raise invalid(f"{name} is missing or empty")
    header = read_header(directory / WEIGHTS)
    vocabulary = read_vocabulary(directory / VOCABULARY)
    _check_vocabulary(header, vocabulary)
    _check_tokenizer(directory, vocabulary)
    _check_config(directory / CONFIG, len(vocabulary), header.decoder_layers)
    return ModelFacts(
        quantization=header.quantization,
        mel_bins=_check_mel_bins(header, directory / PREPROCESSOR),
        languages=languages(vocabulary),
        multilingual=is_multilingual(vocabulary),
    )


def _check_vocabulary(header: WeightsHeader, vocabulary: Sequence[str]) -> None:
    shape = header.shape(_EMBEDDINGS)
    if len(shape) != _MATRIX_RANK or shape[0] != len(vocabulary):
        raise invalid(f"{VOCABULARY} has {len(vocabulary)} tokens, and {WEIGHTS} embeddings of shape {shape}")


def _check_tokenizer(directory: Path, vocabulary: Sequence[str]) -> None:
    """A tokenizer may know tokens that the model does not have, and lack timestamps, as early ones do; no others."""
    tokens = tokens_by_id(load_tokenizer(directory))
    for index, token in enumerate(vocabulary):
        known = tokens.get(index)
        if known is None and not is_timestamp(token):
            raise invalid(f"{TOKENIZER} has no token {index}, which {VOCABULARY} calls {token!r}")
        if known not in (None, token):
            raise invalid(f"{TOKENIZER} calls token {index} {known!r}, and {VOCABULARY} {token!r}")


def _check_config(path: Path, vocabulary_size: int, decoder_layers: int) -> None:
    config = read_object(path)
    for key in _ID_LISTS:
        ids = config.get(key) or []
        if not isinstance(ids, list) or not all(_is_below(index, vocabulary_size) or index == _NONE for index in ids):
            raise invalid(f"{path.name}: {key} names tokens that the vocabulary does not have")
    heads = config.get("alignment_heads") or []
    if not isinstance(heads, list) or not all(_is_head(entry, decoder_layers) for entry in heads):
        raise invalid(f"{path.name}: alignment_heads names heads that the decoder does not have")


def _is_head(entry: object, layers: int) -> bool:
    match entry:
        case [layer, head]:
            return _is_below(layer, layers) and _is_below(head, _MAX_HEADS)
    return False


def _is_below(value: object, limit: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < limit


def _check_mel_bins(header: WeightsHeader, preprocessor: Path) -> int:
    feature_size = positive_integer(read_object(preprocessor), "feature_size", preprocessor.name)
    if feature_size != header.mel_bins:
        raise invalid(f"{preprocessor.name} makes {feature_size} mel bands, and {WEIGHTS} takes {header.mel_bins}")
    return header.mel_bins
