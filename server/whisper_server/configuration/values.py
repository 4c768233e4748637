"""How the text of a setting becomes its value, and what is said when it cannot."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MIB = 1024 * 1024


class SettingsError(ValueError):
    """A setting is missing or cannot be right; the text is one sentence that names it."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What stands beside a field of the settings.

    Attributes:
        parse: returns the value that a text stands for; ValueError when none.
        help: one line for people.
    """

    parse: Callable[[str], Any]
    help: str


def one_of(*choices: str) -> Callable[[str], str]:
    """Accept one of `choices`."""

    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"{text!r} is not one of {', '.join(choices)}")
        return text

    return parse


def list_of(parse: Callable[[str], str]) -> Callable[[str], tuple[str, ...]]:
    """Accept what `parse` does, several times, with commas between."""

    def parse_list(text: str) -> tuple[str, ...]:
        items = tuple(parse(item.strip()) for item in text.split(",") if item.strip())
        if not items:
            raise ValueError("the list is empty")
        return items

    return parse_list


def optional_list_of(parse: Callable[[str], str]) -> Callable[[str], tuple[str, ...]]:
    """Accept what `list_of` does, and an empty text for none."""
    parse_list = list_of(parse)
    return lambda text: parse_list(text) if text.strip() else ()


def whole_number(minimum: int, maximum: int) -> Callable[[str], int]:
    """Accept a number from `minimum` to `maximum`, both included."""

    def parse(text: str) -> int:
        if not text.isascii() or not text.isdecimal() or not minimum <= int(text) <= maximum:
            raise ValueError(f"{text!r} is not a whole number from {minimum} to {maximum}")
        return int(text)

    return parse


def yes_or_no(text: str) -> bool:
    """Accept true or false."""
    if text.lower() not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return text.lower() == "true"


def optional_file(text: str) -> Path | None:
    """Accept a path; an empty text is none."""
    return Path(text) if text else None


port = whole_number(0, 65_535)


def optional_port(text: str) -> int | None:
    """Accept a port; `off` is none."""
    return None if text == "off" else port(text)


seconds = whole_number(0, 86_400)
