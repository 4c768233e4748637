"""Documents of YAML as they are read, and of JSON with one value replaced, for tests of what reads them."""

import copy
from collections.abc import Sequence
from typing import Any

import yaml


def read_yaml(text: str) -> Any:
    """yaml.safe_load, by the library in C: the one in Python takes seconds of the CPU for all that tests read."""
    return yaml.load(text, yaml.CSafeLoader)


def read_yamls(text: str) -> list[Any]:
    """yaml.safe_load_all, likewise."""
    return list(yaml.load_all(text, yaml.CSafeLoader))


def replaced(document: Any, path: Sequence[Any], value: Any) -> Any:
    """Return a copy of `document` with `value` where `path` leads."""
    changed = copy.deepcopy(document)
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed
