"""Pages of the documentation, taken apart so that tests can try what they show."""

import re
import shlex
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def sections(page: str) -> dict[str, str]:
    """Return the text below each `## ` heading."""
    parts = (DOCS / page).read_text().split("\n## ")[1:]
    return {heading: text for heading, _, text in (part.partition("\n") for part in parts)}


def fenced(text: str, language: str) -> list[str]:
    """Return the blocks of one language."""
    return [block for found, block in _FENCE.findall(text) if found == language]


def commands(text: str, program: str) -> list[list[str]]:
    """Return the arguments of each call of `program` that the consoles in `text` show."""
    consoles = "".join(fenced(text, "console")).replace("\\\n", " ")
    lines = [shlex.split(line[2:], comments=True) for line in consoles.splitlines() if line.startswith("$ ")]
    calls = [call for line in lines for call in _pipeline(line)]
    return [call[1:] for call in calls if call[0] == program]


def _pipeline(words: list[str]) -> Iterator[list[str]]:
    """Yield the calls of a line, which `|` separates."""
    for piped, call in groupby(words, key=lambda word: word == "|"):
        if not piped:
            yield list(call)


def rows(text: str) -> list[list[str]]:
    """Return the cells of the tables in `text`, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]
