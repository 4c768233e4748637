"""A dashboard's panels: what its file asks, with what Prometheus answers."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Series:
    """An answer's series.

    Attributes:
        labels: by which it differs from the others.
        points: moments, in seconds since 1970, and values; where it has no value there is no point.
    """

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a panel, as its legend names it."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel with its lines, at its place in the dashboard's grid."""

    title: str
    unit: str
    place: Mapping[str, int]
    lines: tuple[Line, ...]


def read_panels(
    dashboard: Mapping[str, Any], ask: Callable[[str], Sequence[Series]], rate_interval: str
) -> list[Panel]:
    """Return a dashboard's panels with what `ask` answers to their expressions.

    Raises:
        ValueError: A panel is of a type that is not drawn.
    """
    values = {one["name"]: one["allValue"] for one in dashboard["templating"]["list"] if "allValue" in one}
    values["__rate_interval"] = rate_interval
    return [_panel(panel, ask, values) for panel in dashboard["panels"]]


def _panel(panel: Mapping[str, Any], ask: Callable[[str], Sequence[Series]], values: Mapping[str, str]) -> Panel:
    if panel["type"] != "timeseries":
        raise ValueError(f"{panel['title']}: a panel of type {panel['type']} is not drawn")
    lines = [
        Line(_named(target["legendFormat"], series.labels), series.points)
        for target in panel["targets"]
        for series in ask(re.sub(r"\$(\w+)", lambda variable: values[variable[1]], target["expr"]))
    ]
    return Panel(panel["title"], panel["fieldConfig"]["defaults"]["unit"], panel["gridPos"], tuple(lines))


def _named(legend: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"{{(\w+)}}", lambda label: labels.get(label[1], ""), legend)
