"""Whisper's vocabulary: from tokenizer.json to CTranslate2's list, and what its special tokens say of the model."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from whisper_loader.model.documents import invalid, read_json, read_text
from whisper_loader.model.layout import TOKENIZER
from whisper_loader.model.tokenizer import START

#: CTranslate2 and faster-whisper take a model with as many tokens, or more, for a multilingual one.
MULTILINGUAL_SIZE = 51_865

_AFTER_LANGUAGES = "<|translate|>"
_LANGUAGE = re.compile(r"<\|([a-z]{2,3})\|>")
_ENGLISH = ("en",)
_SECONDS_PER_TIMESTAMP = 0.02


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


def read_vocabulary_text(path: Path) -> list[str]:
    """Return the tokens of a vocabulary.txt, one a line, of which one may be empty (Whisper has an empty token)."""
    lines = read_text(path).split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def vocabulary_json(tokens: Sequence[str]) -> str:
    """Return the text of a vocabulary.json as CTranslate2 writes it."""
    return json.dumps(tokens, indent=2)


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
        between = vocabulary[vocabulary.index(START) + 1 : vocabulary.index(_AFTER_LANGUAGES)]
    except ValueError as error:
        raise invalid(f"the vocabulary lacks {START} or {_AFTER_LANGUAGES}: it is not Whisper's") from error
    return tuple(match.group(1) for token in between if (match := _LANGUAGE.fullmatch(token)))


def language_ids(vocabulary: Sequence[str]) -> list[int]:
    """Return the ids of the language tokens, for checkpoints that do not list them."""
    positions = {token: index for index, token in enumerate(vocabulary)}
    tokens = [f"<|{language}|>" for language in languages(vocabulary)]
    return [positions[token] for token in tokens if token in positions]
