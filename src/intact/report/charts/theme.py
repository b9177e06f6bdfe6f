"""What all charts share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import altair as alt

Row: TypeAlias = Mapping[str, object]
Spec: TypeAlias = dict[str, Any]
Cell: TypeAlias = str | int | float | None

# Told apart by all kinds of colour vision, after Okabe and Ito; page.css has both themes'.
BLUE, ORANGE, GREEN, PURPLE, GREY = (
    f"var(--{name})" for name in ("blue", "orange", "green", "purple", "grey")
)
BAR = 10  # pixels
_ROW = 18
_FAINT = "var(--line)"

CONFIG: Spec = {
    "background": None,
    "font": "system-ui, sans-serif",
    "padding": 2,
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--soft)",
        "labelFontSize": 12,
        "titleColor": "var(--ink)",
        "titleFontSize": 12,
        "titleFontWeight": 500,
        "gridColor": _FAINT,
        "domainColor": _FAINT,
        "tickColor": _FAINT,
        "labelLimit": 200,
    },
    "rule": {"color": "var(--ink)"},
    "text": {"color": "var(--ink)", "fontSize": 12},
    "mark": {"tooltip": True},
}


@dataclass(frozen=True, slots=True)
class Table:
    """The numbers behind a chart."""

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold numbers."""
        return tuple(
            any(isinstance(cell, int | float) for cell in column)
            for column in zip(*self.rows, strict=True)
        ) or (False,) * len(self.header)


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart with the words that it needs."""

    name: str  # of the chart in the page
    title: str
    how: str  # to read it
    key: tuple[tuple[str, str], ...]  # (CSS colour, what it stands for)
    alt: str
    spec: Spec
    table: Table
    tall: bool = False  # scrolls in a frame of its own


def spec(chart: alt.Chart | alt.LayerChart | alt.FacetChart, height: int) -> Spec:
    """The chart, as wide as the page and so many pixels high; equal data give equal bytes."""
    with alt.data_transformers.enable("default", max_rows=None):
        found: Spec = chart.properties(width="container", height=height).to_dict()
    for unneeded in ("$schema", "config"):
        found.pop(unneeded, None)
    return found


def rows(values: Sequence[Row]) -> alt.Chart:
    """A chart of these data, still without marks."""
    return alt.Chart(alt.InlineData(values=[dict(value) for value in values]))


def row_height(count: int) -> int:
    """Of a chart with so many rows."""
    return _ROW * count


def names() -> alt.Y:
    """The field `layer` as rows in the order of the data."""
    axis = alt.Axis(title=None, domain=False, ticks=False, grid=False)
    return alt.Y("layer:N", sort=None, axis=axis)


def byte_axis(**settings: Any) -> alt.Axis:
    """Bytes in short, as 500kB."""
    words = "format(datum.value, '.3~s') + 'B'"
    return alt.Axis(labelExpr=words, tickCount=5, domain=False, ticks=False, **settings)


def shortened(text: str, length: int = 30) -> str:
    """The end of a longer text: that of a layer's name tells most."""
    return text if len(text) <= length else f"…{text[len(text) - length + 1 :]}"
