"""Charts of one tensor, which the page fills with the data of the one that is chosen."""

import altair as alt

from intact.report.charts.theme import BLUE, GREEN, GREY, ORANGE, Spec, spec

_HEIGHT = 260
_NUMBERS = (  # of a channel, and their titles
    ("minimum", "minimum"),
    ("lower", "lower quartile"),
    ("median", "median"),
    ("upper", "upper quartile"),
    ("maximum", "maximum"),
    ("grid_low", "grid from"),
    ("grid_high", "grid to"),
)


def histogram() -> Spec:
    """Data `bins` (low, high, share, place), `ends` (end) and `levels` (level)."""
    ends = alt.Chart(alt.NamedData(name="ends"))
    ends = ends.mark_rule(color=GREEN, strokeWidth=2, strokeDash=[6, 4]).encode(
        x="end:Q", tooltip=alt.Tooltip("end:Q", title="end of the grid", format=".4~g")
    )
    levels = alt.Chart(alt.NamedData(name="levels"))
    levels = levels.mark_tick(color=GREEN, thickness=1, size=8, tooltip=None).encode(
        x="level:Q", y=alt.value(_HEIGHT + 6)
    )
    return spec(alt.layer(_bars(), ends, levels), _HEIGHT)


def _bars() -> alt.Chart:
    scale = alt.Scale(domain=["on the grid", "clipped"], range=[BLUE, ORANGE])
    share = alt.Axis(format="~%", tickCount=4, domain=False, ticks=False)
    found: alt.Chart = (
        alt.Chart(alt.NamedData(name="bins"))
        .mark_rect()
        .encode(
            x=alt.X(
                "low:Q",
                title="real value",
                axis=alt.Axis(offset=12, grid=False, tickCount=8),  # room for the grid's ticks
                scale=alt.Scale(zero=False, nice=False, padding=6),
            ),
            x2="high:Q",
            y=alt.Y("share:Q", title=None, scale=alt.Scale(type="sqrt"), axis=share),
            y2=alt.datum(0),
            color=alt.Color("place:N", scale=scale, legend=None),
            tooltip=[
                alt.Tooltip("low:Q", title="from", format=".4~g"),
                alt.Tooltip("high:Q", title="to", format=".4~g"),
                alt.Tooltip("share:Q", format=".3~%"),
                alt.Tooltip("place:N", title="is"),
            ],
        )
    )
    return found


def channels() -> Spec:
    """Data `channels`: channel, and the fields of `_NUMBERS`."""
    tooltip = [alt.Tooltip("channel:N")]
    tooltip += [alt.Tooltip(f"{f}:Q", title=title, format=".4~g") for f, title in _NUMBERS]
    axis = alt.Axis(labelOverlap=True, labelAngle=0, ticks=False)
    x = alt.X("channel:N", sort=None, title="output channel, widest first", axis=axis)
    base = alt.Chart(alt.NamedData(name="channels")).encode(x=x, tooltip=tooltip)
    y = alt.Y("grid_low:Q", title=None, axis=alt.Axis(tickCount=5, domain=False, ticks=False))
    grid = base.mark_bar(color=GREEN, opacity=0.22).encode(y=y, y2="grid_high:Q")
    whisker = base.mark_rule(color=GREY, strokeWidth=1.5).encode(y="minimum:Q", y2="maximum:Q")
    half = base.mark_bar(color=BLUE, width={"band": 0.6}).encode(y="lower:Q", y2="upper:Q")
    return spec(alt.layer(grid, whisker, half), _HEIGHT)
