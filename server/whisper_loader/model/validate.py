"""Whether a folder holds a whole Whisper model in CTranslate2's form, whose files agree with one another.

Everything is told from headers and texts; the weights are not loaded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from whisper_loader.model.ct2 import WeightsHeader, read_header
from whisper_loader.model.documents import invalid, positive_integer, read_object
from whisper_loader.model.layout import CONFIG, PREPROCESSOR, PUBLISHED_FILES, TOKENIZER, VOCABULARY, WEIGHTS
from whisper_loader.model.vocabulary import is_multilingual, languages, read_tokenizer, read_vocabulary

_EMBEDDINGS = "decoder/embeddings/weight"
_FIRST_CONVOLUTION = "encoder/conv1/weight"
_MATRIX_RANK = 2
_CONVOLUTION_RANK = 3
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
    _check_tokenizer(directory / TOKENIZER, vocabulary)
    _check_config(directory / CONFIG, len(vocabulary))
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


def _check_tokenizer(path: Path, vocabulary: Sequence[str]) -> None:
    tokens = read_tokenizer(path)
    for index, token in sorted(tokens.items()):
        if index < len(vocabulary) and vocabulary[index] != token:
            raise invalid(f"{path.name} calls token {index} {token!r}, and {VOCABULARY} {vocabulary[index]!r}")


def _check_config(path: Path, vocabulary_size: int) -> None:
    config = read_object(path)
    for key in _ID_LISTS:
        ids = config.get(key) or []
        if not isinstance(ids, list) or not all(isinstance(index, int) and index < vocabulary_size for index in ids):
            raise invalid(f"{path.name}: {key} names tokens that the vocabulary does not have")


def _check_mel_bins(header: WeightsHeader, preprocessor: Path) -> int:
    shape = header.shape(_FIRST_CONVOLUTION)
    if len(shape) != _CONVOLUTION_RANK:
        raise invalid(f"{WEIGHTS} has a first convolution of shape {shape}, which is not Whisper's")
    mel_bins = shape[1]
    feature_size = positive_integer(read_object(preprocessor), "feature_size", preprocessor.name)
    if feature_size != mel_bins:
        raise invalid(f"{preprocessor.name} makes {feature_size} mel bands, and {WEIGHTS} takes {mel_bins}")
    return mel_bins
