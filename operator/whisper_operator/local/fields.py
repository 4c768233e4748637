"""The fields of a spec as the file has it, by the dotted paths that people know them by."""

from typing import Any


def at(spec: Any, path: str, default: Any = None) -> Any:
    """Return what is at `path`; `default` when it is absent."""
    found = spec
    for step in path.split("."):
        if not isinstance(found, dict) or step not in found:
            return default
        found = found[step]
    return found
