"""Noise after each layer, as a waterfall."""

import math
from collections.abc import Sequence

import altair as alt

from intact.report.charts.layers import labels
from intact.report.charts.theme import (
    BAR,
    BLUE,
    ORANGE,
    PURPLE,
    Figure,
    Row,
    Spec,
    Table,
    names,
    row_height,
    rows,
    spec,
)
from intact.report.contents import Layer

_ADDS, _AVERAGES = "adds noise", "averages noise out"
_MOST_DB = 80.0  # more is called equal by eye
_HOW = (
    "Signal to quantization noise ratio (SQNR) of what each layer computes, against the float"
    " network on the same samples. A bar begins at the worst of the layer's inputs and ends at its"
    " output; 6 dB less is twice the error. The diamond is what the layer would have if its inputs"
    " were exact: one far to the left is a layer to look at."
)


def noise(layers: Sequence[Layer]) -> Figure | None:
    """SQNR after each layer; None where it was not measured."""
    found = [
        (label, layer)
        for label, layer in zip(labels(layers), layers, strict=True)
        if layer.sqnr_db is not None
    ]
    if not found:
        return None
    worst = min((layer for _, layer in found), key=lambda y: y.sqnr_db or math.inf)
    cells = ((n, y.op, y.sqnr_before_db, y.sqnr_db, y.own_sqnr_db) for n, y in found)
    header = ("layer", "operation", "SQNR of inputs, dB", "SQNR of output, dB", "alone, dB")
    return Figure(
        name="noise",
        title="Noise after each layer",
        how=_HOW,
        key=((ORANGE, _ADDS), (BLUE, _AVERAGES), (PURPLE, "this layer alone")),
        alt=f"Waterfall of the SQNR of {len(found)} layers in execution order. The lowest is"
        f" {worst.sqnr_db:.1f} dB at {worst.title}; the last is {found[-1][1].sqnr_db:.1f} dB.",
        spec=_waterfall([_step(label, layer) for label, layer in found]),
        table=Table(header, tuple(cells)),
        tall=True,
    )


def _waterfall(steps: Sequence[Row]) -> Spec:
    tooltip = [alt.Tooltip("layer:N"), alt.Tooltip("operation:N")]
    for field, title in (("before", "inputs, dB"), ("after", "output, dB"), ("own", "alone, dB")):
        tooltip.append(alt.Tooltip(f"{field}:Q", title=title, format=".1f"))
    base = rows(steps).encode(y=names(), tooltip=tooltip)
    axis = alt.Axis(orient="top", tickCount=6)
    x = alt.X("after:Q", title="SQNR in dB", axis=axis, scale=alt.Scale(zero=False, padding=8))
    scale = alt.Scale(domain=[_ADDS, _AVERAGES], range=[ORANGE, BLUE])
    change = alt.Color("change:N", scale=scale, legend=None)
    bars = base.mark_bar(height=BAR, cornerRadius=2).encode(x=x, x2="before:Q", color=change)
    ends = base.mark_tick(thickness=3, size=BAR + 4).encode(x="after:Q", color=change)
    own = base.mark_point(shape="diamond", size=45, filled=True, opacity=1, color=PURPLE)
    return spec(alt.layer(bars, ends, own.encode(x="own:Q")), row_height(len(steps)))


def _step(label: str, layer: Layer) -> Row:
    after = _shown(layer.sqnr_db)
    before = _shown(layer.sqnr_before_db) if layer.sqnr_before_db is not None else after
    assert after is not None
    assert before is not None
    return {
        "layer": label,
        "operation": layer.op,
        "before": before,
        "after": after,
        "own": None if layer.own_sqnr_db == math.inf else _shown(layer.own_sqnr_db),
        "change": _ADDS if after <= before else _AVERAGES,
    }


def _shown(decibel: float | None) -> float | None:
    return None if decibel is None else round(max(min(decibel, _MOST_DB), -_MOST_DB), 2)
