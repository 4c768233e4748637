"""From a segment to its atoms: the smallest stretches of text between which a line or a cue may be broken."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from whisper_server.cues.scripts import breakable, breakable_between_words, is_mark, width
from whisper_server.cues.spoken import SpokenSegment

#: Characters of one line.
LINE_COLUMNS = 42

_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Atom:
    """Text that is never broken.

    Attributes:
        text: without spaces, at most a line long.
        spaced: whether a space goes before it, unless it begins a line.
        inside: whether it goes on with the word before it, which is better not broken here.
        start: milliseconds from the recording's start.
        end: likewise, never before `start`.
    """

    text: str
    spaced: bool
    inside: bool
    start: int
    end: int


def atoms_of(segment: SpokenSegment) -> list[Atom]:
    """Return the atoms of `segment`, in order; none when it says nothing."""
    fine = [atom for text, start, end in _timed_words(segment) for atom in _timed_pieces(text, start, end)]
    return list(_glued(fine))


def _timed_words(segment: SpokenSegment) -> Iterator[tuple[str, int, int]]:
    """Yield words with their times; all of the text as one when its words are unknown or do not say all of it."""
    words = [(word.text, word.start, word.end) for word in segment.words]
    if _without_spaces("".join(text for text, _, _ in words)) != _without_spaces(segment.text):
        words = [(segment.text, segment.start, segment.end)]
    now, space = 0, ""
    for text, start, end in words:
        begin = max(now, milliseconds(start))
        now = max(begin, milliseconds(end))
        shown = printable(space + text)
        space = " " if shown.endswith(" ") else ""  # It goes before the next word.
        yield shown.rstrip(" "), begin, now


def milliseconds(seconds: float) -> int:
    """Return whole milliseconds."""
    return round(seconds * 1000)


def printable(text: str) -> str:
    """Return `text` without control characters, which no format of cues can hold; each stretch of spaces is one."""
    text = _SPACES.sub(" ", text)
    return "".join(character for character in text if unicodedata.category(character) != "Cc")


def _without_spaces(text: str) -> str:
    return _SPACES.sub("", text)


def _timed_pieces(text: str, start: int, end: int) -> Iterator[Atom]:
    """Yield the pieces of a word, or of a text whose words are unknown; each takes the time of its share of it."""
    pieces = list(_pieces(text))
    total = sum(len(piece) for piece, _, _ in pieces)
    before = 0
    for piece, spaced, inside in pieces:
        begin = start + (end - start) * before // total
        before += len(piece)
        yield Atom(piece, spaced, inside, begin, start + (end - start) * before // total)


def _pieces(text: str) -> Iterator[tuple[str, bool, bool]]:
    """Yield pieces of at most a line, each with whether a space goes before it, and whether it goes on with a word."""
    for number, word in enumerate(text.split(" ")):
        for place, piece in enumerate(_split(word)):
            yield piece, number > 0 and place == 0, place > 0


def _split(word: str) -> Iterator[str]:
    borders = [place for place in range(1, len(word)) if breakable(word[place - 1], word[place])]
    for first, last in pairwise([0, *borders, len(word)] if word else []):
        yield from _of_a_line(word[first:last])


def _of_a_line(text: str) -> Iterator[str]:
    """Cut what is longer than a line where it is full, but for marks that belong to the character before them."""
    while width(text) > LINE_COLUMNS:
        most = _longest_prefix(text)
        cut = next((place for place in range(most, 0, -1) if not is_mark(text[place])), most)
        yield text[:cut]
        text = text[cut:]
    yield text


def _longest_prefix(text: str) -> int:
    columns = 0
    for place, character in enumerate(text):
        columns += width(character)
        if columns > LINE_COLUMNS:
            return place
    return len(text)


def _glued(atoms: Iterable[Atom]) -> Iterator[Atom]:
    """Put together what no space and no script lets a line be broken between: `-one` after `twenty`, for example."""
    last: Atom | None = None
    for atom in atoms:
        if last is not None and _inseparable(last, atom):
            last = Atom(last.text + atom.text, last.spaced, last.inside, last.start, atom.end)
            continue
        if last is not None:
            yield last
        last = atom
    if last is not None:
        yield last


def _inseparable(one: Atom, other: Atom) -> bool:
    if other.spaced or other.inside or width(one.text) + width(other.text) > LINE_COLUMNS:
        return False
    return not breakable_between_words(one.text[-1], other.text[0])
