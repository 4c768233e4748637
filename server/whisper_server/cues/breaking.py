"""Where atoms are broken into cues, and cues into lines: at ends of sentences, else of clauses, else at pauses."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import accumulate

from whisper_server.cues.atoms import LINE_COLUMNS, Atom
from whisper_server.cues.scripts import ends_clause, ends_sentence, width

#: How long a cue is shown at most, and how many lines it has.
CUE_MILLISECONDS = 7_000
CUE_LINES = 2

#: A silence that tells of the end of a thought, and one in which nothing should be shown.
_PAUSE_MILLISECONDS = 300
_LONG_PAUSE_MILLISECONDS = 1_000


class Break(IntEnum):
    """How well a text is broken at a place; the value is what it costs."""

    SENTENCE = 0
    PAUSE = 1
    CLAUSE = 2
    WORD = 4
    INSIDE = 8


#: What every cue costs, so that there are few.
_CUE_COST = 3.0
#: What a cue costs that goes on after a sentence, or shows what is said only after a long pause.
_SENTENCE_INSIDE_COST = 1.0
_LONG_PAUSE_INSIDE_COST = 8.0
#: What an empty cue would cost beside a full one; so that of two cues none is a single word.
_UNEVEN_COST = 2.0


@dataclass(frozen=True, slots=True)
class Cue:
    """What is shown at a time.

    Attributes:
        start: milliseconds from the recording's start.
        end: likewise, later than `start`.
        lines: one or two of at most `LINE_COLUMNS`.
    """

    start: int
    end: int
    lines: tuple[str, ...]


def cues_of(atoms: Sequence[Atom]) -> Iterator[Cue]:
    """Yield the cues that cost least, in order of time."""
    for first, last in _cheapest(_Run(atoms)):
        shown = atoms[first:last]
        end = min(max(shown[-1].end, shown[0].start + 1), shown[0].start + CUE_MILLISECONDS)
        yield Cue(shown[0].start, end, tuple(_lines(shown)))


class _Run:
    """The atoms of a segment, with sums over them, so that any stretch is judged without going through it."""

    def __init__(self, atoms: Sequence[Atom]) -> None:
        self.atoms = atoms
        self.breaks = [_break_after(atoms, place) for place in range(len(atoms))]
        self._columns = [0, *accumulate(width(atom.text) + atom.spaced for atom in atoms)]
        self._inner = [0.0, *accumulate(self._inner_cost(place) for place in range(len(atoms)))]
        self._line_ends = list(self._find_line_ends())

    def longest(self, first: int) -> int:
        """Return how far a cue that begins with atom `first` can go: two full lines, and not too long a time."""
        last = first
        for _ in range(CUE_LINES):
            last = self._line_ends[last] if last < len(self.atoms) else last
        latest = self.atoms[first].start + CUE_MILLISECONDS
        while last > first + 1 and self.atoms[last - 1].end > latest:
            last -= 1
        return last

    def cost(self, first: int, last: int) -> float:
        """Return what a cue of the atoms from `first` to before `last` costs."""
        empty = 1 - self._width(first, last) / (CUE_LINES * LINE_COLUMNS)
        inside = self._inner[last - 1] - self._inner[first]
        return _CUE_COST + self.breaks[last - 1] + inside + _UNEVEN_COST * empty * empty

    def _width(self, first: int, last: int) -> int:
        return self._columns[last] - self._columns[first] - self.atoms[first].spaced

    def _inner_cost(self, place: int) -> float:
        """Return what it costs that no cue ends after the atom at `place`."""
        if _pause_after(self.atoms, place) >= _LONG_PAUSE_MILLISECONDS:
            return _LONG_PAUSE_INSIDE_COST
        return _SENTENCE_INSIDE_COST if self.breaks[place] is Break.SENTENCE else 0.0

    def _find_line_ends(self) -> Iterator[int]:
        """Yield for each atom where a line that begins with it is full."""
        last = 0
        for first in range(len(self.atoms)):
            last = max(last, first + 1)
            while last < len(self.atoms) and self._width(first, last + 1) <= LINE_COLUMNS:
                last += 1
            yield last


def _cheapest(run: _Run) -> list[tuple[int, int]]:
    """Return the borders of the cues that together cost least: the shortest path, from the end to the beginning."""
    count = len(run.atoms)
    costs, ends = [math.inf] * count + [0.0], [count] * (count + 1)
    for first in reversed(range(count)):
        for last in range(first + 1, run.longest(first) + 1):
            cost = run.cost(first, last) + costs[last]
            if cost < costs[first]:
                costs[first], ends[first] = cost, last
    borders, first = [], 0
    while first < count:
        borders.append((first, ends[first]))
        first = ends[first]
    return borders


def _break_after(atoms: Sequence[Atom], place: int) -> Break:
    if place + 1 == len(atoms):
        return Break.SENTENCE
    text = atoms[place].text
    if ends_sentence(text):
        return Break.SENTENCE
    if _pause_after(atoms, place) >= _PAUSE_MILLISECONDS:
        return Break.PAUSE
    if ends_clause(text):
        return Break.CLAUSE
    return Break.INSIDE if atoms[place + 1].inside else Break.WORD


def _pause_after(atoms: Sequence[Atom], place: int) -> int:
    return atoms[place + 1].start - atoms[place].end if place + 1 < len(atoms) else 0


def _lines(atoms: Sequence[Atom]) -> list[str]:
    """Return one line where that is enough, else two, broken where it reads best and they are of like length."""
    whole = _text(atoms)
    if width(whole) <= LINE_COLUMNS:
        return [whole]
    halves = [(_text(atoms[:place]), _text(atoms[place:]), place) for place in range(1, len(atoms))]
    fitting = [half for half in halves if max(width(half[0]), width(half[1])) <= LINE_COLUMNS]
    best = min(fitting, key=lambda half: 4 * _break_after(atoms, half[2] - 1) + abs(width(half[0]) - width(half[1])))
    return [best[0], best[1]]


def _text(atoms: Sequence[Atom]) -> str:
    return "".join(" " + atom.text if atom.spaced else atom.text for atom in atoms).lstrip(" ")
