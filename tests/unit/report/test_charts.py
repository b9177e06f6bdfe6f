import math
from dataclasses import replace

from intact.report.charts.layers import labels
from intact.report.charts.noise import noise
from intact.report.charts.ranges import channel_ranges
from intact.report.charts.theme import Table, shortened
from intact.report.contents import Channel, Grid, Layer, Tensor

LAYER = Layer(
    "a", "a", "Conv", "(N, 3)", "int8", 8, "int8", 8, 9, 9, None, 40.0, 30.0, math.inf, None
)
CHANNELS = tuple(Channel(i, -1.0 / (i + 1), -0.1, 0.0, 0.1, 0.5, -1.0, 1.0) for i in range(3))
TENSOR = Tensor(
    "w", "weight", "(3, 4)", "int8", Grid(-1, 1, 0.1, 20, 1, None), None, None, None, None, 3,
    CHANNELS,
)  # fmt: skip


def test_long_names_keep_their_end_and_stay_different() -> None:
    assert shortened("encoder.layers.encoder_layer_0.mlp.0", 14) == "…layer_0.mlp.0"
    title = "encoder.layers.encoder_layer_{}.self_attention.in_proj"
    layers = [replace(LAYER, title=title.format(number)) for number in range(3)]
    assert len(set(labels(layers))) == 3
    figure = channel_ranges([replace(TENSOR, name=title.format(number)) for number in range(3)])
    assert figure is not None
    assert len({row[0] for row in figure.table.rows}) == 3


def test_a_layer_without_noise_of_its_own_has_no_diamond() -> None:
    figure = noise([LAYER, replace(LAYER, own_sqnr_db=33.0)])
    assert figure is not None
    (values,) = figure.spec["datasets"].values()
    assert [row["own"] for row in values] == [None, 33.0]
    assert [row[-1] for row in figure.table.rows] == [math.inf, 33.0]


def test_columns_of_numbers_are_known() -> None:
    assert Table(("a", "b"), (("x", None), ("y", 2))).numeric == (False, True)
    assert Table(("a", "b"), ()).numeric == (False, False)
