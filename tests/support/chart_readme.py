"""The tables of the chart's values, and the README that holds them: `make manifests` writes it, a test compares it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.support.chart import CHART
from tests.support.chart_values import VALUES, schema
from tests.support.documents import read_yaml

JSON = dict[str, Any]

README = CHART / "README.md"


@dataclass(frozen=True, slots=True)
class Row:
    """One value as a table tells of it; a default of None is that of one with values of its own, or of a field."""

    path: str
    type: str
    default: str | None
    meaning: str


def tables(heading: str) -> str:
    """Return every value: those by themselves in a table, then each object of several in one under its `heading`."""
    text = VALUES.read_text()
    made, defaults = schema(text), read_yaml(text)
    rows = {name: list(_rows(made, made["properties"][name], defaults[name], name)) for name in defaults}
    alone = [row for group in rows.values() if len(group) == 1 for row in group]
    parts = [_table(alone)]
    for name, (head, *inside) in rows.items():
        if inside:
            parts.append(f"{heading} {name}\n\n{head.meaning}\n\n{_table(inside)}")
    return "\n".join(parts)


def _rows(made: JSON, node: JSON, default: Any, path: str) -> Iterator[Row]:
    node = _resolved(made, node)
    inside = node.get("properties", {}) if default else {}
    shown = None if inside or default is None else f"`{json.dumps(default, ensure_ascii=False)}`"
    yield Row(path, _type(made, node), shown, node["description"])
    for name, child in inside.items():
        yield from _rows(made, child, default[name], f"{path}.{name}")
    held = node.get("additionalProperties")
    if isinstance(held, dict) and default is not None:
        for name, child in _resolved(made, held).get("properties", {}).items():
            yield from _rows(made, child, None, f"{path}.NAME.{name}")


def _resolved(made: JSON, node: JSON) -> JSON:
    """Return `node` with what it refers to; its own description goes first."""
    name = node.get("$ref", "").removeprefix("#/definitions/")
    return made["definitions"][name] | node if name else node


def _type(made: JSON, node: JSON) -> str:
    if "enum" in node:
        return " \\| ".join(f"`{value}`" for value in node["enum"])
    if "items" in node:
        return f"list of {_type(made, _resolved(made, node['items']))}s"
    return "map" if isinstance(node.get("additionalProperties"), dict) else str(node["type"])


def _table(rows: list[Row]) -> str:
    head = "| value | type | default | what it is |\n|---|---|---|---|\n"
    return head + "".join(
        f"| `{row.path}` | {row.type} | {row.default or ''} | {_cell(row.meaning)} |\n" for row in rows
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


_README = """# Whisper Operator

Runs Whisper speech-to-text on Kubernetes: a WhisperModel becomes gRPC and HTTP servers of that model.
Kubernetes 1.30 or newer, Helm 3.8 or newer.

```console
$ helm install whisper-operator . --namespace whisper-operator --create-namespace
$ helm test whisper-operator --namespace whisper-operator --logs
```

Helm installs the definition of WhisperModels once, and never changes or removes it. Before an upgrade:

```console
$ helm show crds . | kubectl apply --server-side --force-conflicts -f -
```

## Values

Made of [values.yaml](values.yaml). A value that is not here is refused.

"""


def readme() -> str:
    """Return what the chart's README.md holds."""
    return _README + tables("###")


if __name__ == "__main__":
    README.write_text(readme())
