"""The chart's values: each is explained, each has an effect that is tried, and no other is taken."""

import json
from collections.abc import Iterator
from functools import reduce
from operator import getitem
from typing import Any

import jsonschema
import pytest

from tests.support.chart import CHART, EVERY_OPTION, HelmError, render, render_text
from tests.support.chart_readme import README, readme
from tests.support.chart_values import AnnotationError, schema, schema_text
from tests.support.documents import read_yaml

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES = read_yaml((CHART / "values.yaml").read_text())
# Of these helm and Kubernetes know the fields, not the chart.
OPEN = {
    "global",
    "nodeAffinity",
    "podAffinity",
    "podAntiAffinity",
    "valueFrom",
    "labelSelector",
    "podSelector",
    "namespaceSelector",
}


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """`node` with what it refers to; its own description goes first."""
    reference = node.get("$ref", "").removeprefix("#/definitions/")
    return (SCHEMA["definitions"][reference] | node) if reference else node


def properties(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, child in node.get("properties", {}).items():
        yield f"{path}{name}", resolved(child)
        yield from properties(resolved(child), f"{path}{name}.")
    if "items" in node:
        yield from properties(resolved(node["items"]), f"{path}[].")


def leaves(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(values, dict) and values and path not in MAPS:
        for name, value in values.items():
            yield from leaves(value, f"{path}.{name}".lstrip("."))
    else:
        yield path, values


MAPS = {path for path, node in properties(SCHEMA) if isinstance(node.get("additionalProperties"), dict)}


def test_the_schema_and_the_readme_are_what_is_made_of_the_values() -> None:
    assert (CHART / "values.schema.json").read_text() == schema_text(), "make manifests writes it"
    assert README.read_text() == readme(), "make manifests writes it"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\n", "a: say what it means"),
        ("# -- An a.\na:\n  b: 1\n", "a.b: say what it means"),
        ("# -- An a.\na: {}\n", "a: say what it may hold"),
        ("# -- An a.\n# @schema uniqueItems: true\na: []\n", "a: say what it may hold"),
        ("# -- An a.\n# @schema $ref: name\n# @schema minLength: 1\na: b\n", "a: nothing that stands beside"),
    ],
)
def test_no_value_goes_without_its_meaning_and_its_limits(text: str, words: str) -> None:
    with pytest.raises(AnnotationError, match=words):
        schema(text)


def test_the_schema_is_one_and_the_defaults_keep_to_it() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.validate(VALUES, SCHEMA, jsonschema.Draft7Validator)


def test_every_value_is_described_in_a_sentence() -> None:
    mute = [path for path, node in properties(SCHEMA) if not node.get("description", "").endswith(".")]
    assert mute == []


def test_every_object_is_closed() -> None:
    objects = {path: node for path, node in properties(SCHEMA) if node.get("type") == "object"}
    assert objects
    left_open = [
        path
        for path, node in objects.items()
        if "additionalProperties" not in node and path.rpartition(".")[2] not in OPEN
    ]
    assert left_open == []


def test_every_option_differs_from_the_default_in_the_other_golden_file() -> None:
    other = read_yaml(EVERY_OPTION.read_text())
    # A digest goes before a tag, so that no image can have both; creation is tried on its own.
    kept = {"images.operator.digest", "images.server.digest", "serviceAccount.create", "rbac.create"}
    assert {path for path, value in leaves(VALUES) if reduce(getitem, path.split("."), other) == value} == kept


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set=operatr.env=1"], "additional properties 'operatr' not allowed"),
        (["--set=operator.replica=2"], "additional properties 'replica' not allowed"),
        (["--set=images.loader.name=a"], "additional properties 'name' not allowed"),
        (["--set=images.pullPolicy=Sometimes"], "value must be one of 'Always', 'IfNotPresent', 'Never'"),
        (["--set-json=images.server.tag=1.10"], "got number, want string"),
        (["--set=images.server.digest=sha256:abc"], "does not match pattern"),
        (["--set=log.level=loud"], "value must be one of 'debug', 'info', 'warning', 'error'"),
        (["--set=watchNamespaces=a"], "got string, want array"),
        (["--set=watchNamespaces={Team_A}"], "does not match pattern"),
        (['--set-json=operator.podLabels={"app.kubernetes.io/name":"a"}'], "app.kubernetes.io/name"),
        (['--set-json=operator.env=[{"name":"WHISPER_OPERATOR_PROBE_PORT"}]'], "'not' failed"),
        (['--set-json=labels={"helm.sh/chart":"a"}'], "helm.sh/chart"),
        (['--set-json=operator.volumes=[{"name":"tmp","emptyDir":{}}]'], "'not' failed"),
        (["--set=log.level=null"], "missing property 'level'"),
        (['--set-json=networkPolicy.metricsFrom=[{"podselector":{}}]'], "'podselector' not allowed"),
        (['--set-json=servers.env=[{"name":"A","valueFrom":{}}]'], "'valueFrom' not allowed"),
        (["--set=servers.nodeSelector.pool=1"], "got number, want string"),
        (["--set=models.a.spec.source.s3.buckett=b"], "additional properties 'buckett' not allowed"),
        (["--set=models.a.namespace=b"], "missing property 'spec'"),
        (["--set=models.A.spec.source.http.url=https://a/b"], "does not match pattern"),
        (
            ["--set=models.a.spec.source.http.url=https://a/b", "--set=watchNamespaces={b}"],
            "models.a would be in the namespace speech-system, and the operator looks after b alone",
        ),
        (['--set-json=operator.topologySpreadConstraints=[{"maxSkew":1}]'], "missing properties"),
        (["--set=serviceAccount.create=false"], "serviceAccount.name is needed when serviceAccount.create is false"),
    ],
    ids=lambda value: value[0].partition("=")[2] if isinstance(value, list) else None,
)
def test_a_value_that_cannot_be_right_is_refused_with_words(arguments: list[str], words: str) -> None:
    with pytest.raises(HelmError, match=words.replace("[", r"\[")):
        render_text(*arguments)


def test_a_number_may_be_a_quantity() -> None:
    assert render("--set=operator.resources.limits.cpu=2")
