"""The JSON Schema that `whisper-operator up` and `check` know the resource by: `make manifests` writes it."""

import json
from pathlib import Path
from typing import Any

from tests.support.whispermodels import schema

FILE = Path(__file__).parents[2] / "operator" / "whisper_operator" / "api" / "schema.json"

# The same in both languages.
_KEPT = ("type", "required", "enum", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems")


def local_schema() -> dict[str, Any]:
    """Return the schema of the spec, which knows each of its fields and no other."""
    return _strict(schema()["properties"]["spec"])


def _strict(node: dict[str, Any]) -> dict[str, Any]:
    kept = {key: node[key] for key in (*_KEPT, "maxProperties") if key in node}
    if node.get("x-kubernetes-int-or-string"):
        kept["type"] = ["integer", "string"]
    if node.get("x-kubernetes-list-type") == "set":
        kept["uniqueItems"] = True
    if "properties" in node:
        kept["properties"] = {name: _strict(child) for name, child in node["properties"].items()}
        kept["additionalProperties"] = False
    if "additionalProperties" in node:
        kept["additionalProperties"] = _strict(node["additionalProperties"])
    if "items" in node:
        kept["items"] = _strict(node["items"])
    return kept


def text() -> str:
    """Return what the file holds."""
    return json.dumps(local_schema(), ensure_ascii=False, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
