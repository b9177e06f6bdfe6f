"""Bits, bytes and time of each operation."""

from collections.abc import Sequence

import altair as alt

from intact.report.charts.theme import (
    BAR,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    Figure,
    Table,
    byte_axis,
    names,
    row_height,
    rows,
    shortened,
    spec,
)
from intact.report.contents import Layer

_CLASSES = (  # most bits, words, colour
    (4, "up to 4 bits", BLUE),
    (8, "5 to 8 bits", GREEN),
    (16, "9 to 16 bits", ORANGE),
    (64, "more than 16 bits", PURPLE),
)
_LONGEST = 26  # characters of a name
_LEFT = 76  # pixels: both charts' columns lie above each other
_COLOUR = alt.Color(
    "class:N",
    scale=alt.Scale(
        domain=[words for _, words, _ in _CLASSES], range=[colour for _, _, colour in _CLASSES]
    ),
    legend=None,
)


def labels(layers: Sequence[Layer]) -> list[str]:
    """Short names with their number, which makes them unique."""
    return [f"{number} {_short(layer.title)}" for number, layer in enumerate(layers, 1)]


def _short(title: str) -> str:
    """Where it is long, without the activation that is fused into it."""
    return shortened(title if len(title) <= _LONGEST else title.partition(" + ")[0], _LONGEST)


def bits(layers: Sequence[Layer]) -> Figure:
    """The formats of weights and activations."""
    named = list(zip(labels(layers), layers, strict=True))
    data = [
        {"layer": n, "first": i + 0.5, "last": i + 1.5, "of": of, "bits": b, "class": _class(b)}
        for i, (n, layer) in enumerate(named)
        for of, b in (("activations", layer.bits), ("weights", layer.weight_bits))
        if b is not None
    ]
    axis = alt.Axis(title=None, domain=False, ticks=False, minExtent=_LEFT, maxExtent=_LEFT)
    chart = rows(data).mark_rect(stroke="var(--paper)", strokeWidth=1)
    chart = chart.encode(
        x=_position(len(layers)),
        x2="last:Q",
        y=alt.Y("of:N", axis=axis),
        color=_COLOUR,
        tooltip=[alt.Tooltip("layer:N"), alt.Tooltip("of:N"), alt.Tooltip("bits:Q")],
    )
    present = {row["class"] for row in data}
    return Figure(
        name="bits",
        title="Bits of each layer",
        how="Each column is an operation, in execution order: the upper row is the format of its"
        " output, the lower one that of its weights.",
        key=tuple((colour, words) for _, words, colour in _CLASSES if words in present),
        alt=f"{len(layers)} operations. "
        + _counted([layer.bits for layer in layers], "Activations")
        + _counted([y.weight_bits for y in layers if y.weight_bits is not None], "Weights"),
        spec=spec(chart, 60),
        table=Table(
            ("layer", "operation", "activation bits", "weight bits"),
            tuple((n, y.op, y.bits, y.weight_bits) for n, y in named),
        ),
    )


def _class(count: int) -> str:
    return next(words for most, words, _ in _CLASSES if count <= most)


def _counted(counts: Sequence[int], what: str) -> str:
    found = ", ".join(f"{counts.count(n)} of {n} bits" for n in sorted(set(counts)))
    return f"{what}: {found}. " if found else ""


def _position(count: int) -> alt.X:
    axis = alt.Axis(tickMinStep=1, grid=False)
    scale = alt.Scale(domain=[0.5, count + 0.5], nice=False)
    return alt.X("first:Q", title="operation", axis=axis, scale=scale)


def sizes(layers: Sequence[Layer]) -> Figure:
    """The bytes that constants take."""
    found = [
        (i, n, y)
        for i, (n, y) in enumerate(zip(labels(layers), layers, strict=True))
        if y.weight_bytes
    ]
    data = [
        {
            "layer": name,
            "first": i + 0.6,
            "last": i + 1.4,
            "bytes": layer.weight_bytes,
            "class": _class(layer.weight_bits or layer.bits),
        }
        for i, name, layer in found
    ]
    axis = byte_axis(minExtent=_LEFT, maxExtent=_LEFT)
    chart = rows(data).mark_rect()
    chart = chart.encode(
        x=_position(len(layers)),
        x2="last:Q",
        y=alt.Y("bytes:Q", title=None, axis=axis),
        y2=alt.datum(0),
        color=_COLOUR,
        tooltip=[alt.Tooltip("layer:N"), alt.Tooltip("bytes:Q", format=",")],
    )
    most = max((layer for _, _, layer in found), key=lambda y: y.weight_bytes, default=None)
    largest = f" The largest is {most.title} with {most.weight_bytes:,}." if most else ""
    return Figure(
        name="bytes",
        title="Bytes of each layer",
        how="What weights, biases and tables of each operation take, in the colour of their bits.",
        key=(),
        alt=f"Bars of the stored bytes of {len(found)} operations.{largest}",
        spec=spec(chart, 150),
        table=Table(("layer", "bytes"), tuple((n, y.weight_bytes) for _, n, y in found)),
    )


def seconds(layers: Sequence[Layer]) -> Figure | None:
    """Milliseconds of each operation; None where they were not measured."""
    named = zip(labels(layers), layers, strict=True)
    found = [(n, 1000 * y.seconds) for n, y in named if y.seconds is not None]
    if not found:
        return None
    data = [{"layer": name, "ms": round(time, 4)} for name, time in found]
    chart = rows(data).mark_bar(height=BAR, cornerRadius=2, color=BLUE)
    chart = chart.encode(
        x=alt.X("ms:Q", title="milliseconds", axis=alt.Axis(orient="top")),
        y=names(),
        tooltip=[alt.Tooltip("layer:N"), alt.Tooltip("ms:Q", format=".3f")],
    )
    slowest, most = max(found, key=lambda pair: pair[1])
    return Figure(
        name="seconds",
        title="Time of each operation",
        how="In the native engine, the fastest of a few calls with one sample.",
        key=(),
        alt=f"Bars of {len(found)} operations; the slowest is {slowest} with {most:.3f} ms.",
        spec=spec(chart, row_height(len(found))),
        table=Table(("layer", "milliseconds"), tuple(found)),
        tall=True,
    )
