"""Sums, products and activations have the codes of TFLite's reference kernels."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intact.capture.tflite import read
from intact.ir.float_ops import Silu
from intact.ir.int_ops import Lookup
from tests.unit.capture.tflite.building import TYPES, File
from tests.unit.capture.tflite.litert import assert_equal, random_codes

KINDS = ("int8", "uint8", "int16")
LEVELS = {"int8": 1.0, "uint8": 1.0, "int16": 1 / 256}  # of a code, to those of 8 bits
ZERO_POINTS = {"int8": st.integers(-128, 127), "uint8": st.integers(0, 255), "int16": st.just(0)}
scales = st.floats(0.003, 0.3)
seeds = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("code", ["ADD", "SUB", "MUL"])
@given(data=st.data())
@settings(max_examples=15)
def test_sums_and_products(code: str, kind: str, data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(seeds))
    file, level = File(), LEVELS[kind]
    a_scale, b_scale = data.draw(scales), data.draw(scales)
    a = file.input((1, 4, 3, 5), kind, a_scale * level, data.draw(ZERO_POINTS[kind]))
    shape = data.draw(st.sampled_from([(1, 4, 3, 5), (1, 1, 1, 5), (5,)]))
    zero_point = data.draw(ZERO_POINTS[kind])
    if shape == (1, 4, 3, 5):
        b = file.input(shape, kind, b_scale * level, zero_point)
    else:
        codes = random_codes(rng, shape, kind)
        b = file.tensor(shape, kind, b_scale * level, zero_point, data=codes)
    largest = a_scale * b_scale * 64 if code == "MUL" else max(a_scale, b_scale)
    times = data.draw(st.floats(0.5, 2))
    y = file.output((1, 4, 3, 5), kind, largest * times * level, data.draw(ZERO_POINTS[kind]))
    fields = {"FusedActivationFunction": data.draw(st.integers(0, 3))}
    if code != "MUL":
        fields["PotScaleInt16"] = False
    file.operator(code, [a, b], [y], f"{code.title()}Options", **fields)
    assert_equal(file, rng)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        *product(["RELU", "RELU6", "LEAKY_RELU"], KINDS),
        *product(["RELU_N1_TO_1", "RELU_0_TO_1", "HARD_SWISH"], ["int8", "uint8"]),
    ],
)
@given(data=st.data())
@settings(max_examples=15)
def test_activations(code: str, kind: str, data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(seeds))
    file, level, scale = File(), LEVELS[kind], data.draw(scales)
    x = file.input((1, 256), kind, scale * level, data.draw(ZERO_POINTS[kind]))
    times = data.draw(st.floats(0.25, 2))
    y = file.output((1, 256), kind, scale * times * level, data.draw(ZERO_POINTS[kind]))
    if code == "LEAKY_RELU":
        file.operator(code, [x], [y], "LeakyReluOptions", Alpha=data.draw(st.floats(0, 0.9)))
    else:
        file.operator(code, [x], [y])
    assert_equal(file, rng)


@pytest.mark.parametrize("kind", ["int8", "uint8"])
@pytest.mark.parametrize("code", ["LOGISTIC", "TANH", "GELU"])
@given(data=st.data())
@settings(max_examples=25)
def test_tables(code: str, kind: str, data: st.DataObject) -> None:
    file, middle = File(), 0 if kind == "int8" else 128
    scale = data.draw(scales)
    x = file.input((1, 256), kind, scale, data.draw(ZERO_POINTS[kind]))
    if code == "GELU":
        y = file.output((1, 256), kind, scale * data.draw(st.floats(0.25, 2)), middle)
        file.operator(code, [x], [y], "GeluOptions", Approximate=data.draw(st.booleans()))
    else:
        sigmoid = code == "LOGISTIC"
        y = file.output(
            (1, 256), kind, 1 / (256 if sigmoid else 128), middle - (128 if sigmoid else 0)
        )
        file.operator(code, [x], [y])
    assert_equal(file, np.random.default_rng(data.draw(seeds)))


@pytest.mark.parametrize("kind", ["int8", "uint8"])
@given(data=st.data())
@settings(max_examples=15)
def test_slopes_for_each_channel(kind: str, data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(seeds))
    file, scale = File(), data.draw(scales)
    x = file.input((1, 3, 4, 5), kind, scale, data.draw(ZERO_POINTS[kind]))
    slopes = random_codes(rng, (1, 1, 5), kind)
    slope = file.tensor((1, 1, 5), kind, 0.01, data.draw(ZERO_POINTS[kind]), data=slopes)
    y = file.output((1, 3, 4, 5), kind, scale, data.draw(ZERO_POINTS[kind]))
    file.operator("PRELU", [x, slope], [y])
    assert_equal(file, rng)


@pytest.mark.parametrize(
    ("source", "target"), [pair for pair in product(KINDS, KINDS) if pair != ("int16", "uint8")]
)
@given(data=st.data())
@settings(max_examples=10)
def test_changes_of_scale(source: str, target: str, data: st.DataObject) -> None:
    file, scale = File(), data.draw(scales)
    x = file.input((1, 256), source, scale * LEVELS[source], data.draw(ZERO_POINTS[source]))
    times = data.draw(st.floats(0.25, 4))
    zero_point = data.draw(ZERO_POINTS[target])
    y = file.output((1, 256), target, scale * times * LEVELS[target], zero_point)
    file.operator("QUANTIZE", [x], [y], "QuantizeOptions")
    assert_equal(file, np.random.default_rng(data.draw(seeds)))


@pytest.mark.parametrize(("kind", "offset"), [("int8", 128), ("uint8", 0)])
def test_a_gathered_table_is_a_function(kind: str, offset: int, tmp_path: Path) -> None:
    """SiLU, which TFLite has no operator for, as CAST, ADD and GATHER."""
    file, zero_point = File(), 128 - offset
    x = file.input((1, 5, 7), kind, 0.05, zero_point)
    real = 0.05 * (np.arange(256) - 128.0)
    codes = np.clip(np.rint(real / (1 + np.exp(-real)) / 0.03) + zero_point, -offset, 255 - offset)
    table = file.tensor((256,), kind, 0.03, zero_point, data=codes)
    wide, index = (file.tensor((1, 5, 7), "int32", None) for _ in range(2))
    file.operator("CAST", [x], [wide], "CastOptions", OutDataType=TYPES["int32"])
    file.operator("ADD", [wide, file.indices([offset])], [index], "AddOptions")
    y = file.output((1, 5, 7), kind, 0.03, zero_point)
    file.operator("GATHER", [table, index], [y], "GatherOptions")
    assert_equal(file, np.random.default_rng(0))
    op = read(file.save(tmp_path / "net.tflite")).nodes[1].op
    assert isinstance(op, Lookup)
    assert op.function == Silu()
