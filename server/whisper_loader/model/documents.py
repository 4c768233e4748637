"""The JSON files of a model, read with the suspicion that anything downloaded deserves."""

import json
from pathlib import Path
from typing import Any

from whisper_contract.reasons import Reason
from whisper_loader.errors import LoaderError

# Four times the largest tokenizer; as JSON it may take twenty times as much memory.
_MAX_BYTES = 16 << 20
_MAX_COUNT = 100_000


def invalid(message: str) -> LoaderError:
    """Return the error for a model that is not whole or not a Whisper."""
    return LoaderError(Reason.INVALID_MODEL, message)


def read_text(path: Path) -> str:
    """Return the text that `path` holds; LoaderError InvalidModel when it is missing, huge or not UTF-8."""
    if not path.is_file():
        raise invalid(f"{path.name} is missing")
    if path.stat().st_size > _MAX_BYTES:
        raise invalid(f"{path.name} is too large to be what its name says")
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise invalid(f"{path.name} is not text") from error


def read_json(path: Path) -> Any:
    """Return what `path` holds; LoaderError InvalidModel when it is missing, huge or not JSON."""
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise invalid(f"{path.name} is not JSON") from error


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object that `path` holds; LoaderError InvalidModel for anything else."""
    document = read_json(path)
    if not isinstance(document, dict):
        raise invalid(f"{path.name} is not a JSON object")
    return document


def positive_integer(document: dict[str, Any], key: str, name: str, limit: int = _MAX_COUNT) -> int:
    """Return a count that `document`, read from the file `name`, must hold; no Whisper's comes near the limit."""
    value = document.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= limit:
        raise invalid(f"{name} has no sensible {key}")
    return value
