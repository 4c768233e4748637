"""JSON documents with one value replaced, for tests of what reads them."""

import copy
from collections.abc import Sequence
from typing import Any


def replaced(document: Any, path: Sequence[Any], value: Any) -> Any:
    """Return a copy of `document` with `value` where `path` leads."""
    changed = copy.deepcopy(document)
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed
