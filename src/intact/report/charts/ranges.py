"""How far the channels of each weight spread, as box plots."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, replace

import altair as alt

from intact.report.charts.theme import (
    BAR,
    BLUE,
    GREY,
    Figure,
    Spec,
    Table,
    names,
    row_height,
    rows,
    shortened,
    spec,
)
from intact.report.contents import Tensor

_HOW = (
    "For each weight, the largest absolute value of its output channels: the whiskers reach from"
    " the narrowest to the widest, the box holds the middle half. One scale for the whole tensor"
    " must fit the widest: each factor of two below it costs a channel one bit."
)


@dataclass(frozen=True, slots=True)
class _Box:
    layer: str
    channels: int
    low: float
    q1: float
    median: float
    q3: float
    high: float

    @property
    def ratio(self) -> float:
        return self.high / self.low


def channel_ranges(tensors: Sequence[Tensor]) -> Figure | None:
    """None if no weight has several channels."""
    found = [box for tensor in tensors if (box := _box(tensor)) is not None]
    boxes = [replace(box, layer=f"{n} {box.layer}") for n, box in enumerate(found, 1)]
    if not boxes:
        return None
    widest = max(boxes, key=lambda box: box.ratio)
    header = ("channels", "narrowest", "lower quartile", "median", "upper quartile", "widest")
    return Figure(
        name="ranges",
        title="Spread of channel ranges",
        how=_HOW,
        key=((BLUE, "middle half of the channels"), (GREY, "narrowest to widest")),
        alt=f"Box plots of the channel ranges of {len(boxes)} weights. They differ most in"
        f" {widest.layer}, by a factor of {widest.ratio:.0f}.",
        spec=_plot(boxes),
        table=Table(("weight", *header), tuple(map(astuple, boxes))),
        tall=True,
    )


def _plot(boxes: Sequence[_Box]) -> Spec:
    fields = ("low", "q1", "median", "q3", "high")
    tooltip = [alt.Tooltip("layer:N"), alt.Tooltip("channels:Q")]
    tooltip += [alt.Tooltip(f"{field}:Q", format=".3~g") for field in fields]
    base = rows([asdict(box) for box in boxes]).encode(y=names(), tooltip=tooltip)
    axis = alt.Axis(orient="top", format="~g", tickCount=5)
    scale = alt.Scale(type="log", nice=False, padding=8)
    x = alt.X("low:Q", title="largest |weight| of a channel", scale=scale, axis=axis)
    whisker = base.mark_rule(color=GREY, strokeWidth=1.5).encode(x=x, x2="high:Q")
    half = base.mark_bar(height=BAR, color=BLUE, cornerRadius=2).encode(x="q1:Q", x2="q3:Q")
    middle = base.mark_tick(thickness=2, size=BAR + 2, color="var(--paper)").encode(x="median:Q")
    return spec(alt.layer(whisker, half, middle), row_height(len(boxes)))


def _box(tensor: Tensor) -> _Box | None:
    """Five numbers of the ranges; None where there are not several channels."""
    widths = sorted(max(-c.minimum, c.maximum) for c in tensor.channels)
    widths = [float(f"{width:.5g}") for width in widths if width > 0]
    if len(widths) < 2:
        return None
    q1, median, q3 = statistics.quantiles(widths, n=4, method="inclusive")
    name = shortened(tensor.name.removesuffix(".weight"))
    return _Box(name, tensor.channel_count, widths[0], q1, median, q3, widths[-1])
