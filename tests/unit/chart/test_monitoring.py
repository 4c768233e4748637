"""Alerts and dashboards: every expression is PromQL, and asks for metrics and labels that the code has."""

import json
import re
from collections.abc import Iterator

import promql_parser
import pytest
from prometheus_client import CollectorRegistry

from tests.support.chart import CASES, CHART, of_kind, render
from tests.support.documents import read_yaml
from whisper_operator.api import conditions, names
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


SAMPLES = {*samples(OperatorMetrics().registry), *samples(ServerMetrics().registry)}
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


def test_alerts_and_dashboards_are_installed_as_they_stand_in_the_files() -> None:
    objects = render(*CASES["every-option"])
    (rule,) = of_kind(objects, "PrometheusRule")
    (group,) = rule["spec"]["groups"]
    assert group["rules"] == read_yaml((FOLDER / "alerts.yaml").read_text())
    assert rule["metadata"]["labels"]["release"] == "prometheus"
    (dashboards,) = of_kind(objects, "ConfigMap")
    assert {name: json.loads(text) for name, text in dashboards["data"].items()} == {
        file.name: json.loads(file.read_text()) for file in FOLDER.glob("*.json")
    }


def test_the_pod_monitors_select_the_operators_pods_and_the_servers() -> None:
    objects = render("--set=monitoring.podMonitors.create=true")
    (deployment,) = of_kind(objects, "Deployment")
    operator, servers = of_kind(objects, "PodMonitor")
    assert operator["spec"]["selector"] == deployment["spec"]["selector"]
    labels = names.labels("a-model", names.COMPONENT_SERVER)
    assert servers["spec"]["selector"]["matchLabels"].items() <= labels.items()
    (endpoint,) = servers["spec"]["podMetricsEndpoints"]
    (relabeling,) = endpoint["relabelings"]
    as_prometheus_writes = re.sub(r"\W", "_", names.LABEL_MODEL)
    assert relabeling["sourceLabels"] == [f"__meta_kubernetes_pod_label_{as_prometheus_writes}"]
