"""tokenizer.json: its tokens, and the file itself where a model brings only what older programs wrote in its place.

Whisper's tokenizer is GPT-2's byte-level BPE with further tokens: vocab.json and merges.txt hold the first, the further
ones stand in tokenizer_config.json (added_tokens_decoder) or, in older models, in added_tokens.json.
"""

import re
from pathlib import Path
from typing import Any

from whisper_loader.model.documents import invalid, read_object, read_text
from whisper_loader.model.layout import ADDED_TOKENS, MERGES, TOKENIZER, TOKENIZER_CONFIG, VOCAB

START = "<|startoftranscript|>"
_TIMESTAMP = re.compile(r"<\|\d+\.\d\d\|>")
_SPECIAL = re.compile(r"<\|.+\|>")
_ID = re.compile(r"[0-9]{1,9}")
_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")
_MEND = (
    'take tokenizer.json from the model that it was trained from, for example: python -c "from transformers import '
    "WhisperTokenizerFast as T; T.from_pretrained('openai/whisper-small').save_pretrained('DIR')\""
)

Document = dict[str, Any]


def load_tokenizer(directory: Path) -> Document:
    """Return the content of tokenizer.json, made of the other files when it is not there.

    Raises:
        LoaderError: InvalidModel, saying what is missing and how to mend it.
    """
    if (directory / TOKENIZER).is_file():
        return read_object(directory / TOKENIZER)
    for name in (VOCAB, MERGES):
        if not (directory / name).is_file():
            raise invalid(f"{TOKENIZER} is missing, and so is {name}, of which it could be made: {_MEND}")
    vocabulary = _read_ids(directory / VOCAB)
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": _added_tokens(directory, vocabulary),
        "normalizer": None,
        "pre_tokenizer": _byte_level(add_prefix_space=False),
        # Whoever transcribes puts the start tokens there: which ones depends on language and task.
        "post_processor": None,
        "decoder": _byte_level(add_prefix_space=True),
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": vocabulary,
            "merges": _read_merges(directory / MERGES, vocabulary),
        },
    }


def tokens_by_id(document: Document) -> dict[int, str]:
    """Return the tokens of a tokenizer.json, added ones included.

    Raises:
        LoaderError: InvalidModel when there is no vocabulary, or it lacks a token that every Whisper needs.
    """
    model = document.get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    added = document.get("added_tokens", [])
    if not isinstance(vocabulary, dict) or not isinstance(added, list):
        raise invalid(f"{TOKENIZER} has no vocabulary")
    tokens = {_token_id(TOKENIZER, index): token for token, index in vocabulary.items()}
    tokens |= dict(_added_token(entry) for entry in added)
    if START not in tokens.values():
        raise invalid(f"{TOKENIZER} has no token {START}: it is not a Whisper tokenizer")
    return tokens


def is_timestamp(token: str) -> bool:
    """Tell whether a token stands for a time."""
    return _TIMESTAMP.fullmatch(token) is not None


def _token_id(name: str, index: object) -> int:
    if not isinstance(index, int) or isinstance(index, bool) or index < 0:
        raise invalid(f"{name} has an id that is not a number")
    return index


def _added_token(entry: Any) -> tuple[int, str]:
    match entry:
        case {"id": index, "content": str(content)}:
            return _token_id(TOKENIZER, index), content
    raise invalid(f"{TOKENIZER} has a broken added token")


def _byte_level(*, add_prefix_space: bool) -> Document:
    return {"type": "ByteLevel", "add_prefix_space": add_prefix_space, "trim_offsets": True, "use_regex": True}


def _read_ids(path: Path) -> dict[str, int]:
    return {token: _token_id(path.name, index) for token, index in read_object(path).items()}


def _read_merges(path: Path, vocabulary: dict[str, int]) -> list[str]:
    """The pairs that are joined, in order; each must give a token, or the file is another model's."""
    merges = [line for line in read_text(path).splitlines() if line and not line.startswith("#version")]
    for number, line in enumerate(merges, 1):
        first, _, second = line.partition(" ")
        if not {first, second, first + second} <= vocabulary.keys():
            raise invalid(f"{path.name}: {VOCAB} does not have what pair {number} joins, or what that gives")
    return merges


def _added_tokens(directory: Path, vocabulary: dict[str, int]) -> list[Document]:
    """The tokens that are not BPE's, in the order of their ids, which must go on where the vocabulary ends."""
    entries = _declared_tokens(directory)
    # A token that the vocabulary holds too keeps its id and becomes one that is never taken apart.
    ids = sorted({*vocabulary.values(), *(entry["id"] for entry in entries)})
    if not entries or ids != list(range(len(ids))):
        raise invalid(
            f"{TOKENIZER} is missing, and {ADDED_TOKENS} or {TOKENIZER_CONFIG} do not tell all tokens: {_MEND}"
        )
    if any(vocabulary.get(entry["content"], entry["id"]) != entry["id"] for entry in entries):
        raise invalid(f"{ADDED_TOKENS} or {TOKENIZER_CONFIG} and {VOCAB} do not agree on the ids of tokens")
    return sorted(entries, key=lambda entry: int(entry["id"]))


def _declared_tokens(directory: Path) -> list[Document]:
    config = read_object(directory / TOKENIZER_CONFIG) if (directory / TOKENIZER_CONFIG).is_file() else {}
    declared = config.get("added_tokens_decoder")
    if isinstance(declared, dict) and declared:
        return [_declared_token(index, entry) for index, entry in declared.items()]
    if not (directory / ADDED_TOKENS).is_file():
        return []
    return [_named_token(token, index) for token, index in _read_ids(directory / ADDED_TOKENS).items()]


def _declared_token(index: str, entry: Any) -> Document:
    match entry:
        case {"content": str(content)} if _ID.fullmatch(index):
            return {"id": int(index), "content": content, **{flag: entry.get(flag) is True for flag in _FLAGS}}
    raise invalid(f"{TOKENIZER_CONFIG} has a broken added token")


def _named_token(token: str, index: int) -> Document:
    """A token of which only the name is told: in every Whisper, all but the timestamps are special."""
    special = _SPECIAL.fullmatch(token) is not None and not is_timestamp(token)
    return {"id": index, "content": token, **dict.fromkeys(_FLAGS, False), "special": special}
