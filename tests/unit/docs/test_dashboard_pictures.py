"""The pictures of the dashboards, which are drawn of their files and of what Prometheus answers."""

import json
import re
from collections.abc import Sequence
from typing import Any

import pytest

from tests.dashboards.panels import Line, Panel, Series, read_panels
from tests.dashboards.picture import draw
from tests.support.chart import CHART
from tests.support.models import FIXTURES

PICTURES = FIXTURES.parents[1] / "docs" / "pictures"
FILES = sorted((CHART / "monitoring").glob("*.json"))
WHOLE = {"x": 0, "y": 0, "w": 24, "h": 8}


def dashboard(**panel: Any) -> dict[str, Any]:
    """A dashboard of one panel, which asks for one expression."""
    target = {"expr": 'rate(calls{model=~"$model"}[$__rate_interval])', "legendFormat": "{{model}} in {{zone}}"}
    whole = {"type": "timeseries", "title": "Calls", "gridPos": WHOLE, "targets": [target]}
    whole["fieldConfig"] = {"defaults": {"unit": "reqps"}}
    return {"templating": {"list": [{"name": "model", "allValue": ".*"}]}, "panels": [whole | panel]}


def read(dashboard: dict[str, Any], *answer: Series) -> tuple[list[str], list[Panel]]:
    """What is asked, and the panels, with this answer to everything."""
    asked: list[str] = []

    def ask(expression: str) -> Sequence[Series]:
        asked.append(expression)
        return answer

    return asked, read_panels(dashboard, ask, "30s")


def drawn(unit: str, *points: tuple[float, float]) -> str:
    return draw("All", [Panel("Calls", unit, WHOLE, (Line("small", points),))])


def words(picture: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", picture)


def test_an_expression_is_asked_for_with_all_of_each_choice() -> None:
    asked, _ = read(dashboard())
    assert asked == ['rate(calls{model=~".*"}[30s])']


def test_a_legend_names_a_line_by_its_labels() -> None:
    _, (panel,) = read(dashboard(), Series({"model": "small", "zone": "a"}, ((0.0, 1.0),)))
    assert panel.lines == (Line("small in a", ((0.0, 1.0),)),)


def test_a_type_of_panel_that_is_not_known_is_an_error() -> None:
    with pytest.raises(ValueError, match="Calls: a panel of type heatmap is not drawn"):
        read(dashboard(type="heatmap"))


def test_a_unit_that_is_not_known_is_an_error() -> None:
    with pytest.raises(ValueError, match="Calls: the unit furlongs is not known"):
        drawn("furlongs", (0, 1))


@pytest.mark.parametrize(
    ("unit", "top", "ticks"),
    [
        ("short", 3, ["0", "1", "2", "3"]),
        ("short", 0, ["0", "0.5", "1"]),
        ("short", 0.00003, ["0", "0.5", "1"]),
        ("s", 0.07, ["0 ms", "20 ms", "40 ms", "60 ms", "80 ms"]),
        ("s", 100, ["0 min", "0.5 min", "1 min", "1.5 min", "2 min"]),
        ("bytes", 70 * 1024**2, ["0 MiB", "20 MiB", "40 MiB", "60 MiB", "80 MiB"]),
    ],
)
def test_an_axis_is_marked_at_round_numbers(unit: str, top: float, ticks: list[str]) -> None:
    assert words(drawn(unit, (1, 0), (2, top))) == ["All", "Calls", *ticks, "small"]


def test_a_line_is_broken_where_points_are_missing() -> None:
    picture = drawn("short", (0, 1), (2, 1), (4, 1), (8, 1))
    (path,) = re.findall(r'<path d="([^"]*)" fill="none"', picture)
    assert re.sub(r"[-\d. ]+", "", path) == "MhLLMh"


def test_an_empty_panel_says_so() -> None:
    full, empty = Panel("Calls", "s", WHOLE, (Line("a", ((0, 1), (1, 1))),)), Panel("None", "s", WHOLE, ())
    assert words(draw("All", [full, empty])).count("No data") == 1


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_picture_that_is_shown_has_every_panel_of_the_dashboard_with_lines(file: Any) -> None:
    shown = json.loads(file.read_text())
    text = words((PICTURES / f"dashboard-{file.stem}.svg").read_text())
    assert text[0] == shown["title"]
    assert {panel["title"] for panel in shown["panels"]} <= set(text)
    assert "No data" not in text
