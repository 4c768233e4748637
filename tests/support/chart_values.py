"""The schema of the chart's values, made of values.yaml and the comments in it: `make manifests` writes it.

Types are those of the defaults; a comment from `# --` on says what a value means, `# @schema` lines what else JSON
schema has to say of it, and the shapes at the end of the file what lists and maps may hold.
"""

import json
from dataclasses import dataclass
from typing import Any

import yaml

from tests.support.chart import CHART
from tests.support.documents import read_yaml
from tests.support.local_schema import KEPT, strict
from tests.support.whispermodels import schema as resource

JSON = dict[str, Any]

VALUES = CHART / "values.yaml"
SCHEMA = CHART / "values.schema.json"

_MEANING, _ANNOTATION, _SHAPES = "# --", "# @schema ", "# @shapes\n"
_DRAFT = "http://json-schema.org/draft-07/schema#"
_TITLE = "Values of the chart whisper-operator"
_STRICT = (
    "Strict: a value that the chart does not know is refused, so that a misspelt one is not silently without effect."
)
_GLOBAL = {"description": "Helm passes a parent chart's global values here. This chart uses none.", "type": "object"}
_TYPES = {str: "string", bool: "boolean", int: "integer", list: "array", dict: "object"}


class AnnotationError(ValueError):
    """A value of values.yaml is not explained, or its annotation says nothing that can hold; the text names it."""


@dataclass(frozen=True, slots=True)
class Comment:
    """What stands above a value: what it means, and what JSON schema says of it."""

    meaning: str
    annotation: JSON


def schema(text: str) -> JSON:
    """Return the schema of the values in `text`.

    Raises:
        AnnotationError: a value is not explained, or not closed.
    """
    root = yaml.compose(text, yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    made = _object(root, read_yaml(text), text.splitlines(), "")
    made["properties"] = {"global": _GLOBAL, **made["properties"]}
    head = {"$schema": _DRAFT, "title": _TITLE, "description": _STRICT}
    return {**head, **made, "definitions": {name: _closed(shape) for name, shape in _shapes(text).items()}}


def _shapes(text: str) -> dict[str, JSON]:
    _, _, block = text.partition(_SHAPES)
    shapes: dict[str, JSON] = read_yaml("".join(line.removeprefix("# ") for line in block.splitlines(keepends=True)))
    return shapes or {}


def _object(node: yaml.MappingNode, defaults: JSON, lines: list[str], path: str) -> JSON:
    """Return the schema of an object whose fields are those of the defaults, and no others."""
    properties, required = {}, []
    for key, child in node.value:
        name = key.value
        comment = _comment(lines, key.start_mark.line, f"{path}{name}")
        if comment.annotation.pop("required", defaults[name] not in ("", [], {})):
            required.append(name)
        properties[name] = _value(child, defaults[name], comment, lines, f"{path}{name}")
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}


def _value(node: yaml.Node, default: Any, comment: Comment, lines: list[str], path: str) -> JSON:
    annotation: JSON = _closed(comment.annotation)
    described: JSON = {"description": comment.meaning}
    if "$ref" in annotation:
        if len(annotation) > 1:
            raise AnnotationError(f"{path}: nothing that stands beside $ref holds")
        return described | annotation
    if isinstance(default, dict) and default:
        assert isinstance(node, yaml.MappingNode)
        return described | _object(node, default, lines, f"{path}.")
    if (isinstance(default, dict) and not annotation) or (isinstance(default, list) and "items" not in annotation):
        raise AnnotationError(f"{path}: say what it may hold")
    return {"type": _TYPES[type(default)]} | annotation | described


def _comment(lines: list[str], line: int, path: str) -> Comment:
    """Return the comment that ends above a line."""
    first = line
    while first and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    block = [text.strip() for text in lines[first:line]]
    annotation = "\n".join(text.removeprefix(_ANNOTATION) for text in block if text.startswith(_ANNOTATION))
    words = [
        text.removeprefix(_MEANING).removeprefix("#").strip() for text in block if not text.startswith(_ANNOTATION)
    ]
    if not block or not block[0].startswith(_MEANING):
        raise AnnotationError(f"{path}: say what it means, after {_MEANING}")
    return Comment(" ".join(words), read_yaml(annotation) or {})


def _closed(shape: Any) -> Any:
    """Return a shape with its references written out, and with no other fields than it names."""
    if isinstance(shape, list):
        return [_closed(one) for one in shape]
    if not isinstance(shape, dict):
        return shape
    fields = {key: _closed(value) for key, value in shape.items()}
    if "$field" in fields:
        return _field(fields.pop("$field")) | fields
    if isinstance(fields.get("$ref"), str):
        fields["$ref"] = f"#/definitions/{fields['$ref']}"
    if isinstance(fields.get("properties"), dict):
        fields = {"type": "object", "additionalProperties": False} | fields
    return fields


def _field(path: str) -> JSON:
    """Return the schema of a field of the resource, such as spec.server.env."""
    node = resource()
    for name in path.split("."):
        node = node["properties"][name]
    return strict(node, kept=(*KEPT, "description"))


def schema_text() -> str:
    """Return what values.schema.json holds."""
    return json.dumps(schema(VALUES.read_text()), ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(schema_text())
