"""What past batches taught: how long one takes, and how large one may be."""

import math
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

#: Each batch counts 0.9 of the one after it: about the last ten count, so that a busier device is noticed soon.
_MEMORY = 0.9
#: Below this the sizes seen are as good as one, and no line can be told from them.
_LEAST_VARIANCE = 1e-3
#: Keys hold what callers choose (the length of a prompt, penalties); what is seldom used is forgotten.
_MOST_KEYS = 256


@dataclass(slots=True)
class _Line:
    """The line seconds = fixed + each · rows through the batches seen, by least squares with fading weights."""

    weight: float = 0.0
    rows: float = 0.0
    seconds: float = 0.0
    rows_rows: float = 0.0
    rows_seconds: float = 0.0

    def learn(self, rows: int, seconds: float) -> None:
        self.weight = _MEMORY * self.weight + 1
        self.rows = _MEMORY * self.rows + rows
        self.seconds = _MEMORY * self.seconds + seconds
        self.rows_rows = _MEMORY * self.rows_rows + rows * rows
        self.rows_seconds = _MEMORY * self.rows_seconds + rows * seconds

    def predict(self, rows: int) -> float:
        mean_rows, mean_seconds = self.rows / self.weight, self.seconds / self.weight
        variance = self.rows_rows / self.weight - mean_rows**2
        proportional = mean_seconds / mean_rows
        # With one size seen, a larger batch is taken to cost what its rows would cost alone: rather too much.
        if variance < _LEAST_VARIANCE:
            return proportional * rows
        each = (self.rows_seconds / self.weight - mean_rows * mean_seconds) / variance
        # Chance may tilt the line; a row costs something, and no more than if nothing were shared.
        each = min(max(each, 0.0), proportional)
        return mean_seconds + each * (rows - mean_rows)


class Experience:
    """Grows with every batch. Not for use by several threads at a time."""

    def __init__(self) -> None:
        self._lines: OrderedDict[Hashable, _Line] = OrderedDict()
        self._all = _Line()
        self._largest: OrderedDict[Hashable, int] = OrderedDict()

    @property
    def largest(self) -> Mapping[Hashable, int]:
        """Rows of the largest batch that there may be room for, by key, where more were too many once."""
        return self._largest

    def learn(self, key: Hashable, rows: int, seconds: float) -> None:
        """Note that a batch of `rows` with `key` took `seconds`."""
        self._lines.setdefault(key, _Line()).learn(rows, seconds)
        self._all.learn(rows, seconds)
        _bound(self._lines, key)

    def predict(self, key: Hashable, rows: int) -> float:
        """Return how many seconds a batch takes: by its key's past, else that of all; infinite before the first."""
        line = self._lines.get(key, self._all)
        return line.predict(rows) if line.weight else math.inf

    def note_too_large(self, key: Hashable, rows: int) -> None:
        """Note that the device has no room for so many rows with `key`."""
        self._largest[key] = max(1, min(rows // 2, self._largest.get(key, rows)))
        _bound(self._largest, key)


def _bound(known: "OrderedDict[Hashable, _Line] | OrderedDict[Hashable, int]", newest: Hashable) -> None:
    known.move_to_end(newest)
    if len(known) > _MOST_KEYS:
        known.popitem(last=False)
