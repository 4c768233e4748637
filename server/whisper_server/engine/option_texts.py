"""Whisper's own options as texts, which is how forms and key-value fields hold them.

An option has the name that faster-whisper gives it, a VAD option with `vad_` before it. Whether its value is one that a
model can do is for `limits` to say.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, get_type_hints

from whisper_server.engine.options import DecodingOptions, Instructions, VadOptions
from whisper_server.errors import InvalidRequestError

_VAD_PREFIX = "vad_"
#: Whether voice activity is looked for at all.
VAD_FILTER = "vad_filter"
#: What stands for None where an option may be None.
_NONE = frozenset({"", "none", "null"})
_LONGEST_LIST = 1_000
#: With no more digits than any option can need.
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,9}")


def read_bool(text: str) -> bool:
    """Return what true, false, 1 or 0 stands for; ValueError for another text."""
    values = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in values:
        raise ValueError("is neither true nor false")
    return values[text.lower()]


def read_int(text: str) -> int:
    """Return a whole number; ValueError for another text."""
    if not _WHOLE_NUMBER.fullmatch(text):
        raise ValueError("is not a whole number")
    return int(text)


def read_float(text: str) -> float:
    """Return a finite number; ValueError for another text."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError("is not a number")
    return value


def _optional(read: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda text: None if text.strip().lower() in _NONE else read(text)


def _several(read: Callable[[str], Any]) -> Callable[[str], Any]:
    def read_list(text: str) -> tuple[Any, ...]:
        items = [item.strip() for item in text.split(",", _LONGEST_LIST) if item.strip()]
        return tuple(read(item) for item in items)

    return read_list


_READERS: Mapping[Any, Callable[[str], Any]] = {
    bool: read_bool,
    int: read_int,
    float: read_float,
    int | None: _optional(read_int),
    float | None: _optional(read_float),
    tuple[int, ...]: _several(read_int),
    tuple[float, ...]: _several(read_float),
}

#: How the text of each option is read.
DECODING_READERS = MappingProxyType({name: _READERS[kind] for name, kind in get_type_hints(DecodingOptions).items()})
VAD_READERS = MappingProxyType(
    {_VAD_PREFIX + name: _READERS[kind] for name, kind in get_type_hints(VadOptions).items()}
)
#: Every option that `with_options` knows.
OPTION_NAMES = frozenset({*DECODING_READERS, *VAD_READERS, VAD_FILTER})


def with_options(instructions: Instructions, texts: Mapping[str, str]) -> Instructions:
    """Return `instructions` with the options that `texts` give; their names must be of `OPTION_NAMES`.

    Raises:
        InvalidRequestError: when a text is no value of its option; the text names it.
    """
    decoding = {
        name: read_option(DECODING_READERS[name], name, texts[name]) for name in texts.keys() & DECODING_READERS
    }
    vad = {
        name.removeprefix(_VAD_PREFIX): read_option(VAD_READERS[name], name, texts[name])
        for name in texts.keys() & VAD_READERS
    }
    wanted = VAD_FILTER not in texts or read_option(read_bool, VAD_FILTER, texts[VAD_FILTER])
    return replace(
        instructions,
        decoding=replace(instructions.decoding, **decoding),
        vad=replace(instructions.vad or VadOptions(), **vad) if wanted else None,
    )


def read_option(read: Callable[[str], Any], name: str, text: str) -> Any:
    """Return the value that `text` stands for; InvalidRequestError, with both, when it stands for none."""
    try:
        return read(text)
    except ValueError as error:
        raise InvalidRequestError(f"{name}: {text[:40]!r} {error}") from None
