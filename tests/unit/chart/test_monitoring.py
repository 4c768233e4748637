"""Alerts and dashboards: every expression is PromQL, and asks for metrics and labels that the code has."""

import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import grpc
import promql_parser
import pytest
from prometheus_client import CollectorRegistry

from tests.support.chart import CASES, CHART, of_kind, operator_container, render
from tests.support.documents import read_yaml
from tests.support.objects import ARTIFACT, SETTINGS, model_of
from tests.support.pages import DOCS
from whisper_operator.api import conditions, names
from whisper_operator.builders.deployment import build_deployment
from whisper_operator.metrics import Metrics as OperatorMetrics
from whisper_server.operations.metrics import Metrics as ServerMetrics

FOLDER = CHART / "monitoring"
# Grafana puts a duration or a choice in the place of these before Prometheus reads them.
VARIABLES = {"$__rate_interval": "5m"}


def samples(registry: CollectorRegistry) -> Iterator[str]:
    """Yield the name of every sample, those of metrics included that have none yet."""
    suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "info": ["_info"]}
    for metric in registry.collect():
        for suffix in suffixes.get(metric.type, [""]):
            yield metric.name + suffix


REGISTRIES = (OperatorMetrics().registry, ServerMetrics().registry)
SAMPLES = {name for registry in REGISTRIES for name in samples(registry)}
# What Prometheus adds to each series, the PodMonitor to those of servers, and the library to a histogram's.
ADDED = {"namespace", "model", "job", "pod", "instance", "le"}
ALERTS = {alert["alert"]: alert["expr"] for alert in read_yaml((FOLDER / "alerts.yaml").read_text())}
PANELS = {
    f"{file.stem}: {panel['title']} {target['refId']}": target["expr"]
    for file in sorted(FOLDER.glob("*.json"))
    for panel in json.loads(file.read_text())["panels"]
    for target in panel["targets"]
}
EXPRESSIONS = ALERTS | PANELS


def read(expression: str) -> promql_parser.Expr:
    for variable, value in VARIABLES.items():
        expression = expression.replace(variable, value)
    return promql_parser.parse(expression)


def selectors(expression: str) -> list[promql_parser.VectorSelector]:
    found: list[promql_parser.VectorSelector] = []

    def visit(node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)

    promql_parser.walk(read(expression), visit)
    return found


@pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_an_expression_asks_for_metrics_that_the_code_has(expression: str) -> None:
    asked = {selector.name for selector in selectors(expression)}
    assert asked
    assert asked <= SAMPLES


def labels_of(sample: str) -> set[str]:
    """The labels that a series of this name may have."""
    collectors = (registry._names_to_collectors.get(sample) for registry in REGISTRIES)
    return {*ADDED, *(label for one in collectors for label in getattr(one, "_labelnames", ()))}


@pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_an_expression_asks_for_labels_that_its_metrics_have(expression: str) -> None:
    known = [labels_of(str(selector.name)) for selector in selectors(expression)]
    matched = [{one.name for one in selector.matchers.matchers} for selector in selectors(expression)]
    assert all(asked <= there for asked, there in zip(matched, known, strict=True))
    assert grouped_by(expression) <= set.union(*known)


def grouped_by(expression: str) -> set[str]:
    return {label for group in re.findall(r"\bby \(([^)]*)\)", expression) for label in group.split(", ")}


def test_what_an_alert_says_of_itself_names_only_labels_that_it_keeps() -> None:
    for alert in read_yaml((FOLDER / "alerts.yaml").read_text()):
        named = set(re.findall(r"\$labels\.(\w+)", " ".join(alert["annotations"].values())))
        assert named <= grouped_by(alert["expr"]), alert["alert"]


def test_codes_that_alerts_ask_for_are_grpcs_and_https() -> None:
    matchers = [one for expr in ALERTS.values() for found in selectors(expr) for one in found.matchers.matchers]
    asked = [code for one in matchers if one.name == "code" for code in one.value.split("|")]
    assert asked
    grpc_codes = {code.name for code in grpc.StatusCode}
    statuses = [str(status.value) for status in HTTPStatus]
    for code in asked:
        assert code in grpc_codes or any(re.fullmatch(code, status) for status in statuses)


def test_every_metric_of_the_dashboards_choices_is_one_of_the_code() -> None:
    queries = [
        variable["query"]
        for file in FOLDER.glob("*.json")
        for variable in json.loads(file.read_text())["templating"]["list"]
        if variable["type"] == "query"
    ]
    assert queries
    for query in queries:
        assert set(re.findall(r"whisper_\w+", query)) <= SAMPLES


def test_conditions_that_alerts_ask_for_are_those_of_the_resource() -> None:
    asked = {
        matcher.value
        for expression in EXPRESSIONS.values()
        for selector in selectors(expression)
        for matcher in selector.matchers.matchers
        if matcher.name == "condition"
    }
    assert asked
    assert asked <= set(conditions.ALL)


def test_there_is_an_alert_for_each_thing_that_a_person_must_know() -> None:
    needed = {"ModelNotReady", "ModelPullFailing", "ServerQueueFull", "ServerErrors", "OperatorNoLeader"}
    assert {f"Whisper{name}" for name in needed} <= set(ALERTS)


def test_every_alert_has_its_part_of_the_page_that_its_runbook_leads_to() -> None:
    page = (DOCS / "alerts.md").read_text()
    assert re.findall(r"^## (.*)$", page, re.MULTILINE) == list(ALERTS)
    severities = {
        alert["alert"]: alert["labels"]["severity"] for alert in read_yaml((FOLDER / "alerts.yaml").read_text())
    }
    assert dict(re.findall(r"^\| \[(\w+)\]\(#\w+\) \| (\w+) \|", page, re.MULTILINE)) == severities


def test_alerts_and_dashboards_are_installed_as_they_stand_in_the_files() -> None:
    objects = render(*CASES["every-option"])
    (rule,) = of_kind(objects, "PrometheusRule")
    (group,) = rule["spec"]["groups"]
    in_the_file = read_yaml((FOLDER / "alerts.yaml").read_text())
    for alert in in_the_file:
        alert["annotations"]["runbook_url"] = f"https://docs.example.com/whisper/alerts/#{alert['alert'].lower()}"
    assert group["rules"] == in_the_file
    assert rule["metadata"]["labels"]["release"] == "prometheus"
    (dashboards,) = of_kind(objects, "ConfigMap")
    assert {name: json.loads(text) for name, text in dashboards["data"].items()} == {
        file.name: json.loads(file.read_text()) for file in FOLDER.glob("*.json")
    }


def port_of(monitor: dict[str, Any]) -> str:
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    return str(endpoint["port"])


def test_the_pod_monitors_select_the_operators_pods_and_the_servers() -> None:
    objects = render("--set=monitoring.podMonitors.create=true")
    (deployment,) = of_kind(objects, "Deployment")
    operator, servers = of_kind(objects, "PodMonitor")
    assert port_of(operator) in {port["name"] for port in operator_container(objects)["ports"]}
    served = build_deployment(model_of({"source": {"baked": {"path": "/m"}}}), SETTINGS, ARTIFACT)
    assert served is not None
    (container,) = served["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports[port_of(servers)] == names.PROBE_PORT
    assert operator["spec"]["selector"] == deployment["spec"]["selector"]
    labels = names.labels("a-model", names.COMPONENT_SERVER)
    assert servers["spec"]["selector"]["matchLabels"].items() <= labels.items()
    (endpoint,) = servers["spec"]["podMetricsEndpoints"]
    (relabeling,) = endpoint["relabelings"]
    as_prometheus_writes = re.sub(r"\W", "_", names.LABEL_MODEL)
    assert relabeling["sourceLabels"] == [f"__meta_kubernetes_pod_label_{as_prometheus_writes}"]
