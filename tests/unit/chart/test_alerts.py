"""The alerts, as Prometheus itself judges them: each fires on what it is about, after its time, and on nothing less."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.packages import find
from tests.support.chart import CHART
from tests.support.documents import read_yaml

ALERTS: dict[str, dict[str, Any]] = {
    alert["alert"]: alert for alert in read_yaml((CHART / "monitoring" / "alerts.yaml").read_text())
}
MODEL = {"namespace": "team-a", "model": "small"}
OPERATOR = {"job": "operator"}
WEEK_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Told:
    """What is measured each minute, and whom an alert is about.

    Attributes:
        series: name and labels -> values, as promtool writes them: `2+3x50` begins with 2 and grows by 3, 50 times.
        about: the labels by which it says what is in trouble.
    """

    series: dict[str, str]
    about: dict[str, str]


def conditions(**statuses: int) -> dict[str, str]:
    """A WhisperModel's conditions, which stay as they are."""
    name = 'whisper_operator_model_condition{namespace="team-a",model="small",condition="%s"}'
    return {name % condition: f"{status}x120" for condition, status in statuses.items()}


def calls(**each_minute: int) -> dict[str, str]:
    """How many calls end each minute, by their code."""
    name = 'whisper_server_requests_total{namespace="team-a",model="small",method="Transcribe",code="%s"}'
    return {name % code: f"0+{number}x120" for code, number in each_minute.items()}


def of_servers(name: str, value: int) -> dict[str, str]:
    return {f'{name}{{namespace="team-a",model="small",pod="small-1"}}': f"{value}x120"}


def leaders(*pods: int) -> dict[str, str]:
    return {f'whisper_operator_leader{{job="operator",pod="{pod}"}}': f"{leads}x120" for pod, leads in enumerate(pods)}


def defects(each_minute: int) -> dict[str, str]:
    return {'whisper_operator_reconcile_errors_total{job="operator",kind="defect"}': f"0+{each_minute}x120"}


CERTIFICATE = "whisper_server_certificate_expiry_timestamp_seconds"
TROUBLES: dict[str, Told] = {
    "WhisperModelNotReady": Told(conditions(Ready=0), MODEL),
    "WhisperModelPullFailing": Told(conditions(Degraded=1, ArtifactReady=0), MODEL),
    "WhisperModelDegraded": Told(conditions(Degraded=1, Ready=1), MODEL),
    "WhisperServerQueueFull": Told(
        calls(RESOURCE_EXHAUSTED=1, OK=100) | of_servers("whisper_server_queue_depth", 9), MODEL
    ),
    "WhisperServerErrors": Told(calls(UNAVAILABLE=6, OK=94), MODEL),
    "WhisperServerCertificateExpires": Told(of_servers(CERTIFICATE, WEEK_SECONDS), MODEL),
    "WhisperOperatorNoLeader": Told(leaders(0, 0), OPERATOR),
    "WhisperOperatorDefect": Told(defects(1), OPERATOR),
}
NO_TROUBLE: dict[str, dict[str, str]] = {
    "WhisperModelNotReady": conditions(Ready=1),
    "WhisperModelPullFailing": conditions(Degraded=1, ArtifactReady=1) | conditions(Ready=0),
    "WhisperModelDegraded": conditions(Degraded=0, Ready=1),
    # Calls that are too large have the same code, and are refused by servers that are idle, too.
    "WhisperServerQueueFull": calls(RESOURCE_EXHAUSTED=1) | of_servers("whisper_server_queue_depth", 0),
    "WhisperServerErrors": calls(UNAVAILABLE=4, INVALID_ARGUMENT=50, OK=46),
    "WhisperServerCertificateExpires": of_servers(CERTIFICATE, 2 * WEEK_SECONDS),
    "WhisperOperatorNoLeader": leaders(0, 1),
    "WhisperOperatorDefect": defects(0),
}


def test_every_alert_is_tried() -> None:
    assert TROUBLES.keys() == NO_TROUBLE.keys() == ALERTS.keys()


@pytest.mark.parametrize("alert", TROUBLES)
def test_an_alert_fires_on_its_trouble_and_says_whose_it_is(alert: str, tmp_path: Path) -> None:
    told = TROUBLES[alert]
    assert judged(tmp_path, alert, told.series, expected=[told.about]) == ""


@pytest.mark.parametrize("alert", TROUBLES)
def test_an_alert_waits_whether_its_trouble_passes(alert: str, tmp_path: Path) -> None:
    assert judged(tmp_path, alert, TROUBLES[alert].series, expected=[], minutes=minutes_of(alert) - 1) == ""


@pytest.mark.parametrize("alert", NO_TROUBLE)
def test_an_alert_is_silent_where_there_is_no_trouble(alert: str, tmp_path: Path) -> None:
    assert judged(tmp_path, alert, NO_TROUBLE[alert], expected=[]) == ""


def test_an_operator_that_nobody_hears_of_is_no_operator_at_work(tmp_path: Path) -> None:
    assert judged(tmp_path, "WhisperOperatorNoLeader", {}, expected=[{}]) == ""


def test_live_streams_alone_may_be_what_keeps_servers_from_taking_more(tmp_path: Path) -> None:
    series = calls(RESOURCE_EXHAUSTED=1) | of_servers("whisper_server_active_streams", 4)
    assert judged(tmp_path, "WhisperServerQueueFull", series, expected=[MODEL]) == ""


def minutes_of(alert: str) -> int:
    """For how long its trouble has to last."""
    text: str = ALERTS[alert]["for"]
    return int(text[:-1]) * {"m": 1, "h": 60}[text[-1]]


def judged(
    folder: Path, alert: str, series: dict[str, str], *, expected: list[dict[str, str]], minutes: int | None = None
) -> str:
    """What promtool has against it that exactly `expected` fire at `minutes`, or well after the alert's time."""
    at = minutes_of(alert) + 10 if minutes is None else minutes
    firing = [{"exp_labels": labels_of(alert, about), "exp_annotations": said(alert, about)} for about in expected]
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": f"{at}m", "alertname": alert, "exp_alerts": firing}],
    }
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "whisper", "rules": [*ALERTS.values()]}]}))
    (folder / "test.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": [test]}))
    command = [str(find("promtool")), "test", "rules", "test.yaml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""


def labels_of(alert: str, about: dict[str, str]) -> dict[str, str]:
    return {**about, **ALERTS[alert]["labels"]}


def said(alert: str, about: dict[str, str]) -> dict[str, str]:
    """Its annotations, with the labels' values in their places."""
    return {
        key: re.sub(r"{{ \$labels\.(\w+) }}", lambda label: about[label[1]], text)
        for key, text in ALERTS[alert]["annotations"].items()
    }
