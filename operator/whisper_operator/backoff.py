"""How long to wait before something that has failed is tried again."""

from datetime import timedelta
from typing import TypeVar

Pause = TypeVar("Pause", float, timedelta)

#: So that the number stays one, however often something fails; every pause here is at its longest long before.
_MOST_DOUBLINGS = 16


def doubled(first: Pause, times: int, longest: Pause) -> Pause:
    """Return `first`, doubled so many times (0 or more), and `longest` at most."""
    return min(first * (1 << min(times, _MOST_DOUBLINGS)), longest)
