"""The small files of a model: copied, rewritten where they are in an older form, made where they can be."""

import json
import shutil
from pathlib import Path

from whisper_loader.model.ct2 import read_header
from whisper_loader.model.layout import (
    PREPROCESSOR,
    PUBLISHED_FILES,
    TOKENIZER,
    VOCABULARY,
    VOCABULARY_TEXT,
    WEIGHTS,
)
from whisper_loader.model.tokenizer import load_tokenizer
from whisper_loader.model.vocabulary import read_vocabulary_text, vocabulary_json

# What transformers' WhisperFeatureExtractor writes; every Whisper hears like this, but for the number of mel bands.
_PREPROCESSOR = {
    "chunk_length": 30,
    "dither": 0.0,
    "feature_extractor_type": "WhisperFeatureExtractor",
    "hop_length": 160,
    "n_fft": 400,
    "n_samples": 480_000,
    "nb_max_frames": 3000,
    "padding_side": "right",
    "padding_value": 0.0,
    "return_attention_mask": False,
    "sampling_rate": 16_000,
}


def take_over(source: Path, target: Path) -> None:
    """Move a CTranslate2 model from `source` to `target`, an existing folder on the same volume, and complete it there.

    vocabulary.txt becomes vocabulary.json, a missing tokenizer.json and preprocessor_config.json are made. What else is
    missing shows when the model is validated.

    Raises:
        LoaderError: InvalidModel for a tokenizer.json that can't be made, or a model.bin that tells no mel bands.
        OSError: of the volume.
    """
    for name in PUBLISHED_FILES:
        if (source / name).is_file():
            (source / name).rename(target / name)
    if not (target / VOCABULARY).exists() and (source / VOCABULARY_TEXT).is_file():
        (target / VOCABULARY).write_text(vocabulary_json(read_vocabulary_text(source / VOCABULARY_TEXT)))
    if not (target / TOKENIZER).exists():
        _make_tokenizer(source, target)
    if not (target / PREPROCESSOR).exists():
        _make_preprocessor(target, read_header(target / WEIGHTS).mel_bins)


def copy_documents(source: Path, target: Path, mel_bins: int) -> None:
    """Write a checkpoint's tokenizer.json and preprocessor_config.json to `target`: copies, or made ones.

    Raises:
        LoaderError: InvalidModel for a tokenizer.json that can't be made.
        OSError: of the volume.
    """
    if (source / TOKENIZER).is_file():
        shutil.copyfile(source / TOKENIZER, target / TOKENIZER)
    else:
        _make_tokenizer(source, target)
    if (source / PREPROCESSOR).is_file():
        shutil.copyfile(source / PREPROCESSOR, target / PREPROCESSOR)
    else:
        _make_preprocessor(target, mel_bins)


def _make_tokenizer(source: Path, target: Path) -> None:
    (target / TOKENIZER).write_text(json.dumps(load_tokenizer(source), indent=2))


def _make_preprocessor(target: Path, mel_bins: int) -> None:
    document = {**_PREPROCESSOR, "feature_size": mel_bins}
    (target / PREPROCESSOR).write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")
