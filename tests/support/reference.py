"""The pages under docs/reference, made from what they are about: `make manifests` writes them, a test compares them.

| page | made from |
|---|---|
| whispermodel.md | crds/whispermodels.yaml |
| reasons.md | the tables of conditions and reasons, whisper_operator.api and whisper_contract.reasons |
| operator.md | the operator's settings and metrics |
| chart.md | the chart's values |
| protocol.md | the proto of our own protocol |
"""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from tests.support.chart_readme import tables
from tests.support.documents import read_yaml
from tests.support.protocol_page import protocol
from tests.support.whispermodels import CRD_FILE
from whisper_contract import reasons as contract
from whisper_operator import settings
from whisper_operator.api import conditions
from whisper_operator.api.defaults import ServerDefaults
from whisper_operator.api.reasons import EXPLANATIONS, Explanation
from whisper_operator.metrics import Metrics
from whisper_server.operations.metrics import Metrics as ServerMetrics

JSON = dict[str, Any]

FOLDER = Path(__file__).parents[2] / "docs" / "reference"


def pages() -> dict[str, str]:
    """Return every page by its file's name."""
    return {
        "whispermodel.md": whispermodel(),
        "reasons.md": reasons(),
        "operator.md": operator(),
        "chart.md": chart(),
        "protocol.md": protocol(),
    }


# The resource.

_RESOURCE = """# WhisperModel, field by field

`stt.whisper-operator.io/v1alpha1`, kind `WhisperModel`, short name `wm`, namespaced. `kubectl explain wm.spec
--recursive` shows the same in a terminal. A field that is not here is refused or warned about by the API server.
"""


def whispermodel() -> str:
    """Return the page about the resource."""
    (version,) = read_yaml(CRD_FILE.read_text())["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]["properties"]
    sections = [*_sections("spec", schema["spec"]), *_sections("status", schema["status"])]
    return "\n".join([_RESOURCE, *sections])


def _sections(path: str, schema: JSON) -> Iterator[str]:
    """Yield one section for each object with fields of its own, in the order of the schema."""
    yield _section(path, schema)
    for name, field in schema.get("properties", {}).items():
        inner, suffix = _inner(field)
        if "properties" in inner:
            yield from _sections(f"{path}.{name}{suffix}", inner)


def _inner(field: JSON) -> tuple[JSON, str]:
    """Return what a list or a map holds, and how a path says so."""
    if field.get("type") == "array":
        return field["items"], "[]"
    if isinstance(field.get("additionalProperties"), dict):
        return field["additionalProperties"], ".*"
    return field, ""


def _section(path: str, schema: JSON) -> str:
    required = set(schema.get("required", ()))
    rows = [_row(name, field, name in required) for name, field in schema.get("properties", {}).items()]
    rules = [f"- {rule['message']}" for rule in schema.get("x-kubernetes-validations", ())]
    parts = [f"## {path}\n", f"{schema.get('description', '').strip()}\n"]
    if rows:
        parts.append("| field | type | default | what it is |\n|---|---|---|---|\n" + "\n".join(rows) + "\n")
    if rules:
        parts.append("Refused unless:\n\n" + "\n".join(rules) + "\n")
    return "\n".join(parts)


def _row(name: str, field: JSON, required: bool) -> str:  # noqa: FBT001 - one of a table's columns
    default = "required" if required else _default(field)
    text = " ".join(str(field.get("description", "")).split()).replace("|", "\\|")
    rules = "".join(f" Rule: {rule['message']}." for rule in field.get("x-kubernetes-validations", ()))
    nested = "properties" in _inner(field)[0]
    return f"| `{name}` | {_type(field)} | {default} | {text}{'' if nested else rules} |"


def _default(field: JSON) -> str:
    if "default" not in field or field["default"] in ({}, []):
        return ""
    default = field["default"]
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _type(field: JSON) -> str:
    if field.get("x-kubernetes-int-or-string"):
        return "integer or string"
    inner, _ = _inner(field)
    kind = field.get("type", "any")
    if kind == "array":
        return f"list of {_type(inner)}"
    if inner is not field:
        return f"map of {_type(inner)}"
    if "enum" in field:
        return " \\| ".join(f"`{value}`" for value in field["enum"])
    return f"{kind}{_range(field)}"


def _range(field: JSON) -> str:
    low, high = field.get("minimum"), field.get("maximum")
    if low is None and high is None:
        return ""
    return f", {low if low is not None else '…'} to {high if high is not None else '…'}"


# Conditions and reasons.

_REASONS = """# Conditions and reasons: what is the matter, and what to do

```console
$ kubectl get wm -o wide
$ kubectl describe wm NAME
$ kubectl events --for wm/NAME
```

`get` has the message that says what happened and what to do in its last column, `describe` that of each condition, and
the events in their order; `kubectl wait --for=condition=Ready wm/NAME` waits until all is well. This page has every
reason there is. The same words appear in `whisper-model`'s errors, with the exit code given here.

A pull that has failed is tried again by itself, after 1, 2, 4 … 10 minutes; a changed spec is tried at once. What is
mended elsewhere, such as a Secret, a bucket or a volume, is tried at once when asked for:

```console
$ kubectl annotate wm/NAME stt.whisper-operator.io/retry="$(date +%s)" --overwrite
```

"""


def reasons() -> str:
    """Return the page about conditions and reasons."""
    rows = "".join(f"| `{name}` | {text} |\n" for name, text in conditions.MEANINGS.items())
    table = "| condition | when True |\n|---|---|\n" + rows
    return _REASONS + table + "\n" + "\n".join(_reason(name, EXPLANATIONS[name]) for name in sorted(EXPLANATIONS))


def _reason(name: str, explanation: Explanation) -> str:
    parts = [f"## {name}\n", f"{explanation.when}\n"]
    if explanation.message != explanation.when:
        parts.append(f"> {explanation.message}\n")
    parts.append(f"**What to do:** {explanation.next_step or 'nothing; it passes by itself.'}\n")
    code = next((failure.exit_code for failure in contract.FAILURES.values() if str(failure.reason) == name), None)
    if code is not None:
        retried = "not tried again within the Job" if code in contract.permanent_exit_codes() else "tried again"
        parts.append(f"Exit code of the loader: {code} ({retried}).\n")
    if explanation.degraded:
        parts.append("`Degraded` is True: it needs a person.\n")
    return "\n".join(parts)


# The operator.

_OPERATOR = """# The operator: settings and metrics

`whisper-operator run` takes each setting as a flag or as an environment variable; the flag goes first. The chart sets
them from its values; `operator.env` adds others.

`whisper-operator check` takes those of namespaces and Lease, and says whether WhisperModels are defined as this version
knows them, whether the operator has its rights (`--rights`, the rules of its role as JSON) and whether one is at work;
[helm test](../installing.md#check-it) runs it.

## Settings

| flag | environment | default | what it is |
|---|---|---|---|
"""

_PORT = """
## Its port for probes and metrics

`GET /healthz` fails when the event loop hangs or the work queue stops moving, `GET /readyz` until the operator is at
work or stands by for the one that is, `GET /metrics` is for Prometheus.

## Metrics of the operator

"""


def operator() -> str:
    """Return the page about the operator, and the metrics of the servers beside its own."""
    table = "".join(_setting(setting) for setting in fields(settings.Settings))
    ours, servers = _metrics(Metrics().registry), _metrics(ServerMetrics().registry)
    return f"{_OPERATOR}{table}{_PORT}{ours}\n## Metrics of the servers\n\nOn port 8001 of each server.\n\n{servers}"


def _setting(setting: Any) -> str:
    flag = "--" + setting.name.replace("_", "-")
    default = ",".join(setting.default) if isinstance(setting.default, tuple) else setting.default
    shown = f"`{default}`" if default not in ("", None, ServerDefaults()) else "empty"
    return f"| `{flag}` | `{settings.PREFIX}{setting.name.upper()}` | {shown} | {setting.metadata['help']} |\n"


def _metrics(registry: CollectorRegistry) -> str:
    """Return a table of a registry's metrics; those of the process and of Python are the library's."""
    families = sorted(registry.collect(), key=lambda family: family.name)
    own = [family for family in families if family.name.startswith("whisper_")]
    rows = "".join(f"| `{_series(one.name, one.type)}` | {one.type} | {one.documentation} |\n" for one in own)
    return "| metric | type | what it is |\n|---|---|---|\n" + rows


def _series(name: str, kind: str) -> str:
    return f"{name}_total" if kind == "counter" else name


# The chart.

_CHART = """# The chart: every value

`helm/whisper-operator`, made of its [values.yaml](../../helm/whisper-operator/values.yaml). A value that is not here is
refused. [Install, watch and upgrade](../installing.md) says which question each of them answers.

"""


def chart() -> str:
    """Return the page about the chart's values."""
    return _CHART + tables("##")


if __name__ == "__main__":
    for name, text in pages().items():
        (FOLDER / name).write_text(text)
