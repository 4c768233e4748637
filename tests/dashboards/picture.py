"""Draws a dashboard's panels as SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element

from tests.dashboards.panels import Panel

_SVG = "http://www.w3.org/2000/svg"
# In pixels: a column and a row of a dashboard's grid, which has 24 columns.
_COLUMN, _ROW, _GAP, _HEAD, _LEGEND_ROW = 40, 26, 8, 40, 15
# Told apart by people who see few colours, too: https://jfly.uni-koeln.de/color/
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#7a7a7a", "#a89a00")
_QUIET = "#6b7280"
# As dashboards name them: what is one of each unit that is written, ascending.
_UNITS = {
    "short": ((1, ""), (1e3, "K"), (1e6, "M")),
    "s": ((1e-3, "ms"), (1, "s"), (60, "min"), (3600, "h")),
    "ops": ((1, "/s"),),
    "reqps": ((1, "req/s"),),
    "bytes": ((1, "B"), (1024, "KiB"), (1024**2, "MiB"), (1024**3, "GiB")),
}


def draw(title: str, panels: Sequence[Panel]) -> str:
    """Return the dashboard as SVG: its panels at their places, all over the same time.

    Raises:
        ValueError: A panel is in a unit that is not known here.
    """
    moments = [moment for panel in panels for line in panel.lines for moment, _ in line.points]
    height = _HEAD + _ROW * max(panel.place["y"] + panel.place["h"] for panel in panels) + _GAP
    size = {"width": _COLUMN * 24 + _GAP, "height": height}
    svg = ET.Element("svg", _attributes(xmlns=_SVG, viewBox=f"0 0 {size['width']} {height}", **size))
    svg.attrib.update({"role": "img", "aria-label": title, "font-family": "sans-serif", "font-size": "11"})
    _add(svg, "rect", width="100%", height="100%", fill="#f4f5f5")
    _text(svg, title, x=_GAP, y=26, font_size=16, font_weight="bold")
    for panel in panels:
        _draw_panel(svg, panel, min(moments), max(moments))
    return ET.tostring(svg, encoding="unicode") + "\n"


def _draw_panel(svg: Element, panel: Panel, begin: float, end: float) -> None:
    place = panel.place
    width, height = place["w"] * _COLUMN - _GAP, place["h"] * _ROW - _GAP
    corner = f"translate({place['x'] * _COLUMN + _GAP},{place['y'] * _ROW + _HEAD})"
    group = _add(svg, "g", transform=corner)
    _add(group, "rect", width=width, height=height, rx=3, fill="#fff", stroke="#dcdde0")
    _text(group, panel.title, x=12, y=20, font_size=12, font_weight="bold")
    legend = _rows([line.name for line in panel.lines], width - 24)
    bottom = height - 12 - _LEGEND_ROW * max(row + 1 for row, _ in legend) if legend else height - 12
    plot = _Plot(_scale(panel), begin, end, left=64, right=width - 14, top=34, bottom=bottom - 18)
    _draw_axes(group, plot)
    for number, (line, (row, x)) in enumerate(zip(panel.lines, legend, strict=True)):
        colour = _COLOURS[number % len(_COLOURS)]
        _add(
            group,
            "path",
            d=plot.path(line.points),
            fill="none",
            stroke=colour,
            stroke_width=1.5,
            stroke_linecap="round",
        )
        y = bottom + 10 + row * _LEGEND_ROW
        _add(group, "rect", x=12 + x, y=y - 5, width=12, height=3, fill=colour)
        _text(group, line.name, x=28 + x, y=y)
    if not any(line.points for line in panel.lines):
        _text(group, "No data", x=width / 2, y=height / 2, text_anchor="middle")


def _draw_axes(group: Element, plot: "_Plot") -> None:
    for value in plot.scale.ticks:
        y = plot.y(value)
        _add(group, "path", d=f"M{plot.left} {y}H{plot.right}", stroke="#e6e7ea")
        _text(group, plot.scale.written(value), x=plot.left - 8, y=y + 4, text_anchor="end", fill=_QUIET)
    for minute in range(math.ceil(plot.begin / 60), math.floor(plot.end / 60) + 1):
        clock = datetime.fromtimestamp(minute * 60, UTC).strftime("%H:%M")
        _text(group, clock, x=plot.x(minute * 60), y=plot.bottom + 15, text_anchor="middle", fill=_QUIET)


def _rows(names: Sequence[str], width: float) -> list[tuple[int, float]]:
    """Where a legend's names stand: the row, and how far from the left. How wide a text is, is estimated."""
    places, row, x = [], 0, 0.0
    for name in names:
        taken = 30 + 6.5 * len(name)
        if x and x + taken > width:
            row, x = row + 1, 0.0
        places.append((row, x))
        x += taken
    return places


@dataclass(frozen=True, slots=True)
class _Scale:
    """An axis of values, from 0.

    Attributes:
        factor: what one of the suffix's unit is.
        ticks: where it is marked; the last one is its end.
    """

    factor: float
    suffix: str
    ticks: tuple[float, ...]

    def written(self, value: float) -> str:
        return f"{value / self.factor:g} {self.suffix}".rstrip()


def _scale(panel: Panel) -> _Scale:
    """Return an axis on which all of a panel's values are, with about four marks at round numbers."""
    if panel.unit not in _UNITS:
        raise ValueError(f"{panel.title}: the unit {panel.unit} is not known")
    highest = max((value for line in panel.lines for _, value in line.points), default=0) or 1
    # Much less than one of what is counted is nothing to look at.
    top = max(highest, 1) if panel.unit == "short" else highest
    units = _UNITS[panel.unit]
    factor, suffix = max((one for one in units if one[0] <= top), default=units[0])
    least = top / factor / 4
    power = 10.0 ** math.floor(math.log10(least))
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= least)
    return _Scale(factor, suffix, tuple(step * number * factor for number in range(math.ceil(top / factor / step) + 1)))


@dataclass(frozen=True, slots=True)
class _Plot:
    """Where moments and values are in a panel."""

    scale: _Scale
    begin: float
    end: float
    left: float
    right: float
    top: float
    bottom: float

    def x(self, moment: float) -> float:
        return round(self.left + (moment - self.begin) / (self.end - self.begin) * (self.right - self.left), 1)

    def y(self, value: float) -> float:
        return round(self.bottom - value / self.scale.ticks[-1] * (self.bottom - self.top), 1)

    def path(self, points: Sequence[tuple[float, float]]) -> str:
        """Return the line through the points, which is broken where points are missing."""
        step = min((later[0] - one[0] for one, later in pairwise(points)), default=0)
        drawn = [f"M{self.x(moment)} {self.y(value)}h0" for moment, value in points[:1]]
        for (before, _), (moment, value) in pairwise(points):
            place = f"{self.x(moment)} {self.y(value)}"
            drawn.append(f"L{place}" if moment - before < 1.5 * step else f"M{place}h0")
        return "".join(drawn)


def _add(parent: Element, tag: str, **attributes: object) -> Element:
    return ET.SubElement(parent, tag, _attributes(**attributes))


def _text(parent: Element, text: str, **attributes: object) -> None:
    _add(parent, "text", **{"fill": "#24292e", **attributes}).text = text


def _attributes(**attributes: object) -> dict[str, str]:
    return {name.replace("_", "-"): str(value) for name, value in attributes.items()}
