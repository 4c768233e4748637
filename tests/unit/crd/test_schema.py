"""The resource's schema as a text: everything is explained and bounded, and the chart's copy is the same."""

from pathlib import Path

import pytest

from tests.support.whispermodels import CRD_FILE, Node, nodes, schema
from whisper_operator.api.spec import Resources
from whisper_operator.builders import deployment, job

CHARTS_COPY = Path(__file__).parents[3] / "helm" / "whisper-operator" / "crds" / "whispermodels.yaml"

WHOLE = {"": schema()} | dict(nodes(schema()))
SPEC = {path: node for path, node in WHOLE.items() if path.startswith("spec")}
# The API server describes metadata itself and lets nobody else do it. Plain values of a list are told with the list.
EXPLAINED = {
    path: node
    for path, node in WHOLE.items()
    if path != "metadata" and not (path.endswith("[]") and node.get("type") != "object")
}


def bounds_of(node: Node) -> set[str]:
    """What has to be said to bound a value of its type."""
    if "enum" in node or node.get("type") == "boolean":
        return set()
    if node.get("x-kubernetes-int-or-string") or node["type"] == "string":
        return {"maxLength"}
    if node["type"] == "object":
        return {"maxProperties"} if "additionalProperties" in node else set()
    return {"array": {"maxItems"}, "integer": {"minimum", "maximum"}}[node["type"]]


def test_every_field_is_described_in_a_sentence() -> None:
    mute = [path for path, node in EXPLAINED.items() if not node.get("description", "").endswith(".")]
    assert mute == []


@pytest.mark.parametrize(("path", "default"), [("pull", job.RESOURCES), ("server", deployment.RESOURCES)])
def test_what_is_asked_for_without_a_word_is_told(path: str, default: Resources) -> None:
    told = EXPLAINED[f"spec.{path}.resources"]["description"].split()
    assert {*default.requests.values(), *default.limits.values()} <= set(told)


def test_every_value_of_the_spec_is_bounded() -> None:
    unbounded = [f"{path}: {missing}" for path, node in SPEC.items() if (missing := bounds_of(node) - set(node))]
    assert unbounded == []


def test_every_text_of_the_status_is_bounded() -> None:
    texts = {path: node for path, node in WHOLE.items() if path.startswith("status")}
    assert texts
    unbounded = [path for path, node in texts.items() if node["type"] == "string" and not is_bounded_text(node)]
    assert unbounded == []


def is_bounded_text(node: Node) -> bool:
    return bool({"maxLength", "enum", "format"} & set(node))


def test_every_rule_has_a_message_and_a_list_a_type() -> None:
    rules = [rule for node in WHOLE.values() for rule in node.get("x-kubernetes-validations", [])]
    assert rules
    assert [rule for rule in rules if "message" not in rule] == []
    lists = {path: node for path, node in WHOLE.items() if node.get("type") == "array"}
    assert [path for path, node in lists.items() if "x-kubernetes-list-type" not in node] == []


def test_the_chart_installs_this_resource() -> None:
    assert CHARTS_COPY.read_text() == CRD_FILE.read_text(), "run `make manifests`"


def test_nothing_of_another_namespace_can_be_named() -> None:
    """The operator works for all: with a namespace beside a name, one team could use what is another's."""
    named = {path for path in SPEC if path.rpartition(".")[2].lower().startswith("namespace")}
    near = {path for path in named if path.startswith("spec.server.affinity.pod")}
    assert near, "which namespaces' pods a server is to be near to, or far from, may be said"
    assert named == near
