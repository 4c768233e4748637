"""Whisper's vocabulary: from tokenizer.json to CTranslate2's list, and what its special tokens say of the model."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from whisper_loader.model.documents import invalid, read_json, read_object
from whisper_loader.model.layout import TOKENIZER

#: CTranslate2 and faster-whisper take a model with as many tokens, or more, for a multilingual one.
MULTILINGUAL_SIZE = 51_865

_START = "<|startoftranscript|>"
_AFTER_LANGUAGES = "<|translate|>"
_LANGUAGE = re.compile(r"<\|([a-z]{2,3})\|>")
_ENGLISH = ("en",)
_SECONDS_PER_TIMESTAMP = 0.02


def read_tokenizer(path: Path) -> dict[int, str]:
    """Return the tokens of a tokenizer.json by id, added ones included.

    Raises:
        LoaderError: InvalidModel when the file has no vocabulary, or lacks a token that every Whisper needs.
    """
    document = read_object(path)
    model = document.get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    added = document.get("added_tokens", [])
    if not isinstance(vocabulary, dict) or not isinstance(added, list):
        raise invalid(f"{path.name} has no vocabulary")
    tokens = {_token_id(path, index): token for token, index in vocabulary.items()}
    tokens |= dict(_added_token(path, entry) for entry in added)
    if _START not in tokens.values():
        raise invalid(f"{path.name} has no token {_START}: it is not a Whisper tokenizer")
    return tokens


def _token_id(path: Path, index: object) -> int:
    if not isinstance(index, int):
        raise invalid(f"{path.name} has an id that is not a number")
    return index


def _added_token(path: Path, entry: Any) -> tuple[int, str]:
    try:
        return _token_id(path, entry["id"]), str(entry["content"])
    except (KeyError, TypeError) as error:
        raise invalid(f"{path.name} has a broken added token") from error


def full_vocabulary(tokens: dict[int, str], size: int) -> list[str]:
    """Return the `size` tokens of the model in order.

    Early tokenizers leave out the timestamps, the last tokens of each model; they are made up here as CTranslate2 does.

    Raises:
        LoaderError: InvalidModel when ids are missing in between.
    """
    known = [token for _, token in sorted(tokens.items())][:size]
    gap = next((index for index in range(len(known)) if index not in tokens), None)
    if gap is not None:
        raise invalid(f"{TOKENIZER} has no token with id {gap}")
    return known + [f"<|{index * _SECONDS_PER_TIMESTAMP:.2f}|>" for index in range(size - len(known))]


def read_vocabulary(path: Path) -> list[str]:
    """Return the list in a vocabulary.json; LoaderError InvalidModel when it is none."""
    tokens = read_json(path)
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise invalid(f"{path.name} is not a list of tokens")
    return tokens


def is_multilingual(vocabulary: Sequence[str]) -> bool:
    """Tell whether the model takes language and task tokens, by the size of its vocabulary as CTranslate2 does."""
    return len(vocabulary) >= MULTILINGUAL_SIZE


def languages(vocabulary: Sequence[str]) -> tuple[str, ...]:
    """Return the languages that the model knows, in the order of their tokens.

    They stand between the start token and the first task token. English-only models have them too and ignore them.
    """
    if not is_multilingual(vocabulary):
        return _ENGLISH
    try:
        between = vocabulary[vocabulary.index(_START) + 1 : vocabulary.index(_AFTER_LANGUAGES)]
    except ValueError as error:
        raise invalid(f"the vocabulary lacks {_START} or {_AFTER_LANGUAGES}: it is not Whisper's") from error
    return tuple(match.group(1) for token in between if (match := _LANGUAGE.fullmatch(token)))


def language_ids(vocabulary: Sequence[str]) -> list[int]:
    """Return the ids of the language tokens, for checkpoints that do not list them."""
    positions = {token: index for index, token in enumerate(vocabulary)}
    tokens = [f"<|{language}|>" for language in languages(vocabulary)]
    return [positions[token] for token in tokens if token in positions]
