"""The JSON Schema that `whisper-operator up` and `check` know the resource by: `make manifests` writes it."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tests.support.whispermodels import schema

FILE = Path(__file__).parents[2] / "operator" / "whisper_operator" / "api" / "schema.json"

# The same in both languages.
KEPT = (
    "type",
    "required",
    "enum",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "maxProperties",
)


def local_schema() -> dict[str, Any]:
    """Return the schema of the spec, which knows each of its fields and no other."""
    return strict(schema()["properties"]["spec"])


def strict(node: dict[str, Any], *, kept: Sequence[str] = KEPT) -> dict[str, Any]:
    """Return a part of the resource's schema as JSON Schema; of its keywords those in `kept`, which mean the same."""
    inner = partial(strict, kept=kept)
    made = {key: node[key] for key in kept if key in node}
    if node.get("x-kubernetes-int-or-string"):
        made["type"] = ["integer", "string"]
    if node.get("x-kubernetes-list-type") == "set":
        made["uniqueItems"] = True
    if "properties" in node:
        made["properties"] = {name: inner(child) for name, child in node["properties"].items()}
        made["additionalProperties"] = False
    if "additionalProperties" in node:
        made["additionalProperties"] = inner(node["additionalProperties"])
    if "items" in node:
        made["items"] = inner(node["items"])
    return made


def text() -> str:
    """Return what the file holds."""
    return json.dumps(local_schema(), ensure_ascii=False, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
