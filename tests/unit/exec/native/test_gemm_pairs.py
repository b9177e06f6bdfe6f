"""Products by saturating instructions: what would saturate is multiplied apart."""

from itertools import product

import numpy as np
import pytest

from intact.exec.native.building import dtype, int32, requant
from intact.exec.native.library import levels, native
from intact.exec.native.windows import window
from intact.ir.graph import Node, Value
from intact.ir.int_ops import QConv2d, QLinear
from intact.ir.shapes import output_shape
from intact.numerics.fixedpoint import Requant, quantize_multiplier
from intact.numerics.formats import Int
from tests.unit.exec.native.running import run_op
from tests.unit.exec.oracle import run_node

INT8 = Int(8)
PAIRS = ((127, 127), (-128, -128), (127, 2), (-1, -128), (100, 29), (-127, -127), (65, 64))
COLUMNS = (1, 7, 8, 9, 15, 16, 17, 40)
ROWS = (1, 2, 5, 6, 7, 15, 16, 17, 33, 50)

pytestmark = pytest.mark.skipif(
    "avx2" not in {isa.name for isa in levels()}, reason="this CPU has no AVX2"
)


def draw_weight(rng: np.random.Generator, columns: int, depth: int, dense: float) -> np.ndarray:
    """Small weights, `dense` of their pairs beyond what a pair may have."""
    weight = rng.integers(-64, 65, (columns, depth)).astype(np.int8)
    pairs = weight[:, : depth // 2 * 2].reshape(columns, -1, 2)
    large = rng.random(pairs.shape[:2]) < dense
    pairs[large] = rng.choice(np.array(PAIRS, np.int8), int(large.sum()))
    weight[:, : depth // 2 * 2] = pairs.reshape(columns, -1)
    return weight


def check(
    rng: np.random.Generator, rows: int, weight: np.ndarray, threads: int, kernel: str = "pairs"
) -> None:
    columns, depth = weight.shape
    source, output = (Int(8, signed=bool(signed)) for signed in rng.integers(0, 2, 2))
    zero_point = int(rng.integers(source.qmin, source.qmax + 1))
    spread = 74 * np.sqrt((weight.astype(float) ** 2).sum(axis=1) + 1)
    scale = Requant(
        *quantize_multiplier(128 / spread), 0, np.array([output.qmin]), np.array([output.qmax])
    )
    x = rng.integers(source.qmin, source.qmax + 1, (rows, depth)).astype(source.storage)
    x[::3] = source.qmax
    x[1::5] = source.qmin
    bias = rng.integers(-5000, 5000, (columns,)).astype(np.int32)
    op = native.linear_s8(
        zero_point,
        dtype(source),
        dtype(output),
        weight,
        int32(bias),
        requant(scale),
        native.Isa.avx2,
    )
    assert op is not None
    assert op.kernel == f"linear gemm_{kernel}_avx2"
    values = (
        Value("x", x.shape, source),
        Value("w", weight.shape, INT8),
        Value("b", bias.shape, Int(32)),
    )
    node = Node(QLinear(zero_point, None, scale), values, Value("y", (rows, columns), output))
    expected = run_node(node, [x, weight, bias])
    np.testing.assert_array_equal(run_op(op, [x], expected, threads), expected)


@pytest.mark.parametrize("depth", [1, 2, 3, 5, 15, 16, 17, 64, 100])
def test_weights_without_excess(depth: int) -> None:
    rng = np.random.default_rng(depth)
    for columns, rows in product(COLUMNS, ROWS):
        check(rng, rows, draw_weight(rng, columns, depth, 0.0), int(rng.integers(1, 4)))


@pytest.mark.parametrize("depth", [203, 256, 300])
def test_excess_is_multiplied_apart(depth: int) -> None:
    """Columns have none, one, or several."""
    rng = np.random.default_rng(depth)
    for columns, rows in product(COLUMNS, ROWS):
        weight = draw_weight(rng, columns, depth, 0.0)
        for _ in range(max(1, columns // 2)):
            k = 2 * int(rng.integers(0, depth // 2))
            weight[rng.integers(columns), k : k + 2] = PAIRS[int(rng.integers(len(PAIRS)))]
        check(rng, rows, weight, int(rng.integers(1, 4)))


@pytest.mark.parametrize(("rows", "depth"), [(130, 768), (20, 3072)])
def test_blocks_of_rows(rows: int, depth: int) -> None:
    rng = np.random.default_rng(rows)
    weight = draw_weight(rng, 50, depth, 0.015)
    for threads in (1, 2, 3):
        check(rng, rows, weight, threads)


def test_layers_with_much_excess_keep_wider_products() -> None:
    rng = np.random.default_rng(1)
    check(rng, 9, draw_weight(rng, 20, 64, 0.5), 1, "s8")
    check(rng, 9, np.full((20, 64), -128, np.int8), 1, "s8")


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("kernel", [(1, 1), (2, 5)])
def test_convolutions(kernel: tuple[int, int], groups: int) -> None:
    """Two groups of columns; one has no excess."""
    rng = np.random.default_rng(groups)
    depth = 300 // (kernel[0] * kernel[1])
    for columns, stride in product((1, 9, 17), (1, 2)):
        weight = rng.integers(-64, 65, (groups * columns, *kernel, depth)).astype(np.int8)
        weight[0, 0, 0, :2] = 127, 30
        op = QConv2d(
            stride=(stride, stride),
            padding=((0, 1), (2, 1)),
            dilation=(1, 2),
            groups=groups,
            input_zero_point=-7,
            weight_zero_point=None,
            requant=Requant(
                np.array([3 << 29]), np.array([-9]), 5, np.array([-128]), np.array([127])
            ),
        )
        x = rng.integers(-128, 128, (2, 9, 14, groups * depth)).astype(np.int8)
        bias = rng.integers(-5000, 5000, (groups * columns,)).astype(np.int32)
        made = native.conv2d_s8(
            window(op), (9, 14), -7, native.DType.int8, native.DType.int8, weight, bias,
            requant(op.requant), native.Isa.avx2,
        )  # fmt: skip
        assert made is not None
        assert made.kernel == "conv2d gemm_pairs_avx2"
        values = (
            Value("x", x.shape, INT8),
            Value("w", weight.shape, INT8),
            Value("b", bias.shape, Int(32)),
        )
        shape = output_shape(op, [value.shape for value in values])
        expected = run_node(Node(op, values, Value("y", shape, INT8)), [x, weight, bias])
        np.testing.assert_array_equal(run_op(made, [x], expected, 2), expected)
