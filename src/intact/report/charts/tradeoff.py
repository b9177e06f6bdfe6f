"""Size against accuracy of several networks."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import altair as alt

from intact.report.charts.theme import (
    BLUE,
    GREY,
    ORANGE,
    Figure,
    Spec,
    Table,
    byte_axis,
    rows,
    shortened,
    spec,
)
from intact.report.contents import Candidate

_SHOWN, _BEST, _OTHER = "this network", "smallest of its accuracy", "beaten by another"


@dataclass(frozen=True, slots=True)
class _Point:
    name: str
    bytes: int
    value: float
    standing: str

    def beats(self, other: "_Point") -> bool:
        """Whether it is at least as good in both and better in one."""
        better = self.bytes < other.bytes or self.value > other.value
        return better and self.bytes <= other.bytes and self.value >= other.value


def tradeoff(candidates: Sequence[Candidate], metric: str | None) -> Figure | None:
    """The curve of the metric, or of the SQNR without one; None if there are not two points."""
    points = [
        _Point(shortened(c.name, 36), c.stored_bytes, value, _SHOWN if c.shown else _OTHER)
        for c in candidates
        if (value := c.sqnr_db if metric is None else c.metric) is not None
        and c.stored_bytes is not None
    ]
    if len(points) < 2:
        return None
    points.sort(key=lambda point: point.bytes)
    front = [point for point in points if not any(other.beats(point) for other in points)]
    marked = [
        replace(point, standing=_BEST) if point in front and point.standing == _OTHER else point
        for point in points
    ]
    header = ("network", "stored bytes", metric or "metric", "SQNR of the output, dB")
    cells = ((c.name, c.stored_bytes, c.metric, c.sqnr_db) for c in candidates)
    said = "; ".join(f"{p.name}: {p.bytes:,} bytes, {p.value:.4g}" for p in points)
    return Figure(
        name="tradeoff",
        title="Size against accuracy",
        how="Higher is more accurate, further left is smaller. The line joins the networks that no"
        " other one beats in both.",
        key=((ORANGE, _SHOWN), (BLUE, _BEST), (GREY, _OTHER)),
        alt=f"{len(points)} networks: {said}.",
        spec=_plot(marked, front, metric),
        table=Table(header, tuple(cells)),
    )


def _plot(points: Sequence[_Point], front: Sequence[_Point], metric: str | None) -> Spec:
    title, short, long = (metric, "~%", ".2%") if metric else ("SQNR, dB", "~g", ".1f")
    width = alt.Scale(zero=False, nice=False, padding=60)
    height = alt.Scale(zero=False, padding=28)
    x = alt.X("bytes:Q", title="stored bytes", axis=byte_axis(), scale=width)
    y = alt.Y("value:Q", title=title, axis=alt.Axis(format=short, tickCount=5), scale=height)
    line = rows(list(map(asdict, front))).mark_line(color=GREY, strokeDash=[4, 4], tooltip=None)
    domain = [_SHOWN, _BEST, _OTHER]
    colours = alt.Scale(domain=domain, range=[ORANGE, BLUE, GREY])
    shapes = alt.Scale(domain=domain, range=["diamond", "circle", "square"])
    dots = rows(list(map(asdict, points))).mark_point(filled=True, size=110, opacity=1)
    dots = dots.encode(
        x=x,
        y=y,
        color=alt.Color("standing:N", scale=colours, legend=None),
        shape=alt.Shape("standing:N", scale=shapes, legend=None),
        tooltip=[
            alt.Tooltip("name:N"),
            alt.Tooltip("bytes:Q", format=","),
            alt.Tooltip("value:Q", title=title, format=long),
        ],
    )
    named = [_named(points[start::2], x, y, dy) for start, dy in ((0, -14), (1, 17))]
    return spec(alt.layer(line.encode(x=x, y=y), dots, *named), 300)


def _named(points: Sequence[_Point], x: alt.X, y: alt.Y, dy: int) -> alt.Chart:
    """Names above or below the points, in turn: neighbours' names do not cover each other."""
    text = rows(list(map(asdict, points))).mark_text(dy=dy, tooltip=None)
    found: alt.Chart = text.encode(x=x, y=y, text="name:N")
    return found
