"""Integer convolutions equal sums over Python integers, tap by tap."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intact.exec import convolution, exact
from intact.ir.int_ops import QConv2d, QConvTranspose2d
from intact.numerics.formats import Binary, Format, Int, MidRise, PowerOfTwo, Ternary
from tests.unit.exec.oracle import draw_codes, node, requant, requantized_array, run_node, seeds

INPUTS = [Int(8), Int(8, signed=False), Int(4), Int(16)]
WEIGHTS = [
    Int(8, narrow=True), Int(4), Int(8, signed=False), Ternary(), Binary(), MidRise(3),
    PowerOfTwo(4),
]  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A convolution's attributes and arrays; `weight` holds integers, `codes` their codes."""

    op: QConv2d | QConvTranspose2d
    x: np.ndarray
    codes: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    source: Format
    weight_format: Format

    def run(self) -> np.ndarray:
        values = [(self.source, (-1,)), (self.weight_format, (1,)), (Int(32), (1,))]
        return run_node(node(self.op, values, Int(8)), [self.x, self.codes, self.bias])


def weight_values(format: Format, codes: np.ndarray) -> np.ndarray:
    """The integers behind codes, from the format's real values."""
    unit = 2.0**format.lowest_exponent if isinstance(format, PowerOfTwo) else 1.0
    return (format.decode(codes) / unit).astype(np.int64)


def draw_case(seed: int, kind: str) -> Case:
    rng = np.random.default_rng(seed)

    def pair(low: int, high: int) -> tuple[int, int]:
        return int(rng.integers(low, high)), int(rng.integers(low, high))

    kernel, dilation = pair(1, 4), pair(1, 3)
    groups, depth = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    per_group = int(rng.integers(1, 4))
    if kind == "depthwise":
        groups, depth = int(rng.integers(2, 5)), 1
    if kind == "pointwise":
        kernel, groups = (1, 1), 1
    source = INPUTS[rng.integers(len(INPUTS))]
    format = WEIGHTS[rng.integers(len(WEIGHTS))]
    channels = groups * per_group
    codes = draw_codes(rng, (channels, *kernel, depth), format)
    zero_points = None
    if rng.random() < 0.3:
        zero_points = tuple(int(z) for z in rng.integers(-5, 6, channels))
    weight = weight_values(format, codes)
    if zero_points is not None:
        weight = weight - np.array(zero_points).reshape(-1, 1, 1, 1)
    wide = source.bits > 8
    size = [
        k + (k - 1) * (d - 1) + int(rng.integers(0, 4))
        for k, d in zip(kernel, dilation, strict=True)
    ]
    padding = (pair(0, 3), pair(0, 3))
    zero_point = 0 if wide else int(rng.integers(source.qmin, source.qmax + 1))
    reals = rng.uniform(0.0005, 0.05, channels if rng.random() < 0.7 else 1)
    scaled = requant(reals, Int(8), int(rng.integers(-100, 100)), 64 if wide else 32)
    shared = (pair(1, 3), padding)
    if kind == "transposed":
        padding = tuple(tuple(int(p) % 2 for p in pads) for pads in padding)
        size = [n + 2 for n in size]
        op = QConvTranspose2d(
            shared[0], padding, pair(0, 2), dilation, groups, zero_point, zero_points, scaled
        )
    else:
        op = QConv2d(*shared, dilation, groups, zero_point, zero_points, scaled)
    x = draw_codes(rng, (2, *size, groups * depth), source)
    bias = rng.integers(-20000, 20000, channels).astype(np.int64 if wide else np.int32)
    return Case(op, x, codes, weight, bias, source, format)


def convolved(case: Case) -> np.ndarray:
    """Eq. 16."""
    op, x, weight = case.op, case.x.astype(object), case.weight.astype(object)
    (top, bottom), (left, right) = op.padding
    channels, kh, kw, depth = weight.shape
    height = (x.shape[1] + top + bottom - op.dilation[0] * (kh - 1) - 1) // op.stride[0] + 1
    width = (x.shape[2] + left + right - op.dilation[1] * (kw - 1) - 1) // op.stride[1] + 1
    acc = np.zeros((len(x), height, width, channels), object) + case.bias.astype(object)
    for n, p, q, o, i, j in product(*map(range, (*acc.shape, kh, kw))):
        row = p * op.stride[0] - top + i * op.dilation[0]
        column = q * op.stride[1] - left + j * op.dilation[1]
        if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
            first = o // (channels // op.groups) * depth
            pixel = x[n, row, column, first : first + depth] - op.input_zero_point
            acc[n, p, q, o] += sum(pixel * weight[o, i, j])
    return acc


def transposed(case: Case) -> np.ndarray:
    """Eq. 21."""
    op, x, weight = case.op, case.x.astype(object), case.weight.astype(object)
    assert isinstance(op, QConvTranspose2d)
    channels, kh, kw, depth = weight.shape
    sizes = [
        (n - 1) * s - sum(pads) + d * (k - 1) + extra + 1
        for n, s, pads, d, k, extra in zip(
            x.shape[1:3],
            op.stride,
            op.padding,
            op.dilation,
            (kh, kw),
            op.output_padding,
            strict=True,
        )
    ]
    acc = np.zeros((len(x), *sizes, channels), object) + case.bias.astype(object)
    for n, h, w, i, j, o in product(*map(range, (*x.shape[:3], kh, kw, channels))):
        row = h * op.stride[0] - op.padding[0][0] + i * op.dilation[0]
        column = w * op.stride[1] - op.padding[1][0] + j * op.dilation[1]
        if 0 <= row < sizes[0] and 0 <= column < sizes[1]:
            first = o // (channels // op.groups) * depth
            pixel = x[n, h, w, first : first + depth] - op.input_zero_point
            acc[n, row, column, o] += sum(pixel * weight[o, i, j])
    return acc


@given(seeds, st.sampled_from(["any", "depthwise", "pointwise"]), st.booleans())
def test_conv2d_equals_sums_over_taps(seed: int, kind: str, small_blocks: bool) -> None:
    case = draw_case(seed, kind)
    expected = requantized_array(case.op.requant, convolved(case))
    with pytest.MonkeyPatch.context() as patch:
        if small_blocks:
            patch.setattr(convolution, "_COLUMNS", 60)
            patch.setattr(convolution, "_ROWS", 20)
        np.testing.assert_array_equal(case.run(), expected)


@given(seeds)
def test_conv_transpose2d_equals_sums_over_patches(seed: int) -> None:
    case = draw_case(seed, "transposed")
    np.testing.assert_array_equal(case.run(), requantized_array(case.op.requant, transposed(case)))


@pytest.mark.parametrize("depth", [500, 1040, 5000])
@pytest.mark.parametrize("codes", [(-128, -127), (127, 127), (-128, 127)])
def test_extreme_sums_are_exact(depth: int, codes: tuple[int, int]) -> None:
    x = np.full((1, 1, 2, depth), codes[0], np.int8)
    weight = np.full((3, 1, 1, depth), codes[1], np.int8)
    weight[1, 0, 0, -1] -= 1 if codes[1] > 0 else -1  # the last bit must survive
    bias = np.array([0, 0, 1], np.int32)
    scaled = requant(1.0, Int(16))
    op = QConv2d((1, 1), ((0, 0), (0, 0)), (1, 1), 1, 0, None, scaled)
    acc = x[0, 0].astype(np.int64) @ weight[:, 0, 0].astype(np.int64).T + bias
    # An output that shows the accumulator's low bits: subtract the common part by the bias.
    shifted = bias - np.array(acc[0, 0], np.int64)
    values = [(Int(8), (-1,)), (Int(8), (1,)), (Int(32), (1,))]
    out = run_node(node(op, values, Int(16)), [x, weight, shifted])
    np.testing.assert_array_equal(out[0, 0], acc - acc[0, 0])


def test_large_sums_do_not_wrap_at_32_bits() -> None:
    x = np.full((1, 1, 1, 70000), 32767, np.int16)
    weight = np.full((1, 1, 1, 70000), 127, np.int8)
    scaled = requant(2.0**-24, Int(16), bits=64)
    op = QConv2d((1, 1), ((0, 0), (0, 0)), (1, 1), 1, 0, None, scaled)
    values = [(Int(16), (-1,)), (Int(8), (1,)), (Int(64), (1,))]
    out = run_node(node(op, values, Int(16)), [x, weight, np.zeros(1, np.int64)])
    assert abs(int(out[0, 0, 0, 0]) - 70000 * 32767 * 127 / 2**24) <= 1


def test_padding_contributes_nothing_whatever_the_zero_point() -> None:
    x = np.full((1, 3, 3, 2), -7, np.int8)  # real zeros everywhere
    weight = np.full((1, 3, 3, 2), 100, np.int8)
    scaled = requant(0.01, Int(8), 5)
    op = QConv2d((1, 1), ((2, 2), (2, 2)), (1, 1), 1, -7, None, scaled)
    values = [(Int(8), (-1,)), (Int(8), (1,)), (Int(32), (1,))]
    out = run_node(node(op, values, Int(8)), [x, weight, np.zeros(1, np.int32)])
    assert (out == 5).all()
    assert out.shape == (1, 5, 5, 1)


def test_exact_dtype_is_the_narrowest_that_holds_every_partial_sum() -> None:
    assert exact.exact_dtype((1 << 24) - 1) == np.float32
    assert exact.exact_dtype(1 << 24) == np.float64
    assert exact.exact_dtype((1 << 53) - 1) == np.float64
    assert exact.exact_dtype(1 << 53) == np.int64
    assert exact.largest_sum(np.array([[3, -4], [1, 1]]), 10) == 70


def test_an_empty_batch_gives_an_empty_result() -> None:
    for kind in ("any", "depthwise", "pointwise", "transposed"):
        case = draw_case(5, kind)
        full = case.run()
        empty = Case(**{**vars(case), "x": case.x[:0]}).run()
        assert empty.shape == (0, *full.shape[1:])
