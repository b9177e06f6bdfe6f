"""The arena over time."""

import altair as alt

from intact.report.charts.theme import (
    BLUE,
    GREEN,
    ORANGE,
    Figure,
    Spec,
    Table,
    byte_axis,
    rows,
    spec,
)
from intact.report.contents import Memory

_HOW = (
    "The arena for one sample: each rectangle is a value, as high as its bytes and as long as it"
    " lives. The line is what must exist at the same time; no arena is smaller than its peak."
)


def memory(found: Memory) -> Figure:
    """Every value as a rectangle of its bytes and its life, and the bytes that are needed."""
    steps = found.steps
    cells = (
        (p.name, p.offset, p.bytes, steps[p.first + 1], steps[p.last + 1]) for p in found.places
    )
    return Figure(
        name="memory",
        title="Memory over time",
        how=_HOW,
        key=((BLUE, "a value's place"), (ORANGE, "bytes needed"), (GREEN, "size of the arena")),
        alt=f"Map of {len(found.places)} values in an arena of {found.arena_bytes:,} bytes over"
        f" {len(steps) - 2} operations. The peak is {found.needed_bytes:,} bytes at {found.peak}.",
        spec=_map(found),
        table=Table(("value", "offset", "bytes", "written by", "last read by"), tuple(cells)),
    )


def _map(found: Memory) -> Spec:
    """Operation n, counted from 1, is the column from n - 0.5 to n + 0.5."""
    places = [
        {
            "value": place.name,
            "first": place.first + 0.5,
            "last": place.last + 1.5,
            "low": place.offset,
            "high": place.offset + place.bytes,
            "bytes": place.bytes,
        }
        for place in found.places
    ]
    scale = alt.Scale(domain=[-0.5, len(found.steps) - 0.5], nice=False)
    axis = alt.Axis(tickMinStep=1, grid=False)
    height = alt.Scale(domain=[0, found.arena_bytes * 1.04 or 1], nice=False)
    tiles = rows(places).mark_rect(color=BLUE, fillOpacity=0.3, stroke=BLUE, strokeWidth=1)
    tiles = tiles.encode(
        x=alt.X("first:Q", title="operation", axis=axis, scale=scale),
        x2="last:Q",
        y=alt.Y("low:Q", title=None, axis=byte_axis(), scale=height),
        y2="high:Q",
        tooltip=[alt.Tooltip("value:N"), alt.Tooltip("bytes:Q", format=",")],
    )
    arena = rows([{"arena": found.arena_bytes}]).mark_rule(color=GREEN, strokeDash=[6, 4], size=2)
    tooltip = alt.Tooltip("arena:Q", format=",", title="arena, bytes")
    return spec(alt.layer(tiles, _needed(found), arena.encode(y="arena:Q", tooltip=tooltip)), 320)


def _needed(found: Memory) -> alt.Chart:
    live = [{"step": n - 0.5, "live": size} for n, size in enumerate(found.live_bytes)]
    live.append({"step": len(live) - 0.5, "live": live[-1]["live"]})
    line = rows(live).mark_line(color=ORANGE, strokeWidth=2, interpolate="step-after", tooltip=None)
    chart: alt.Chart = line.encode(x="step:Q", y="live:Q", order="step:Q")
    return chart
