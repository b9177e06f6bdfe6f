"""Operations on real numbers: the reference's results but for the order of sums."""

import math

import numpy as np
import pytest

from intact.errors import UnsupportedOpError
from intact.exec import native as engines
from intact.exec import reference
from intact.exec.native.library import native
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, Value
from intact.ir.int_ops import Program
from intact.ir.shapes import output_shape
from intact.ir.verify import verify
from intact.numerics.formats import FP16, FP32, Int

ISAS = [isa for isa in native.Isa if isa.value <= native.best_isa().value]
Shape = tuple[int, ...]
_PADS = ((1, 1), (1, 1))
_NONE = ((0, 0), (0, 0))

# Name: operation, shape of a sample, shapes of the parameters.
_PRODUCTS: dict[str, tuple[FloatOp, Shape, list[Shape]]] = {
    "conv": (ops.Conv((1, 1), _PADS, (1, 1)), (5, 9, 11), [(18, 5, 3, 3), (18,)]),
    "conv without bias": (ops.Conv((2, 1), ((0, 1), (2, 0)), (1, 1)), (3, 8, 9), [(50, 3, 3, 2)]),
    "conv, dilated": (ops.Conv((1, 2), ((2, 2), (1, 1)), (2, 3)), (4, 9, 12), [(7, 4, 3, 3)]),
    "conv of a pixel": (ops.Conv((1, 1), _NONE, (1, 1)), (300, 1, 1), [(10, 300, 1, 1)]),
    "pointwise conv": (ops.Conv((1, 1), _NONE, (1, 1)), (33, 8, 8), [(16, 33, 1, 1)]),
    "conv of groups": (ops.Conv((1, 1), _PADS, (1, 1), 3), (6, 7, 7), [(9, 2, 3, 3), (9,)]),
    "conv of one axis": (ops.Conv((2,), ((1, 2),), (2,), 2), (6, 37), [(8, 3, 3), (8,)]),
    "transposed conv": (
        ops.ConvTranspose((2, 2), _NONE, (0, 0), (1, 1)), (6, 5, 7), [(6, 9, 2, 2), (9,)],
    ),
    "transposed conv of groups": (
        ops.ConvTranspose((3, 2), ((1, 0), (2, 1)), (2, 1), (1, 2), 2), (4, 5, 6), [(4, 3, 4, 3)],
    ),
    "transposed conv that crops": (
        ops.ConvTranspose((1, 1), ((3, 3), (2, 3)), (0, 0), (1, 1)), (2, 8, 8), [(2, 3, 2, 3)],
    ),
    "linear": (ops.Linear(), (7, 35), [(18, 35), (18,)]),
    "matmul": (ops.MatMul(), (3, 17, 9), [(9, 70)]),
    "matmul of several": (ops.MatMul(), (3, 4, 9), [(3, 9, 15)]),
    "matmul of one by several": (ops.MatMul(), (1, 4, 9), [(3, 9, 15)]),
    "mean of pixels": (ops.Mean((2, 3), False), (70, 7, 9), []),
    "mean of channels": (ops.Mean((1,), True), (5, 6, 70), []),
    "mean of the ends": (ops.Mean((1, 3), True), (5, 6, 7), []),
    "adaptive average pool": (ops.AdaptiveAvgPool((3, 5)), (3, 7, 11), []),
    "adaptive average pool of one axis": (ops.AdaptiveAvgPool((4,)), (3, 11), []),
    "softmax": (ops.Softmax(2), (3, 37), []),
    "softmax of a middle axis": (ops.Softmax(1), (19, 3, 5), []),
    "layer norm": (ops.LayerNorm(1, 1e-5), (3, 77), [(77,), (77,)]),
    "layer norm of two axes": (ops.LayerNorm(2, 1e-3), (5, 6, 7), [(6, 7), (6, 7)]),
    "group norm": (ops.GroupNorm(3, 1e-5), (6, 5, 7), [(6,), (6,)]),
    "sigmoid": (ops.Sigmoid(), (333,), []),
    "tanh": (ops.Tanh(), (333,), []),
    "silu": (ops.Silu(), (333,), []),
    "gelu by tanh": (ops.Gelu(tanh=True), (333,), []),
}  # fmt: skip
# These are single operations on float32, in the order of the reference.
_EXACT: dict[str, tuple[FloatOp, Shape, list[Shape]]] = {
    "depthwise conv": (ops.Conv((1, 1), _PADS, (1, 1), 6), (6, 7, 9), [(6, 1, 3, 3), (6,)]),
    "depthwise conv with strides": (
        ops.Conv((2, 3), ((2, 1), (4, 0)), (1, 2), 4), (4, 9, 11), [(8, 1, 5, 3)],
    ),
    "depthwise conv of one axis": (ops.Conv((1,), ((1, 1),), (1,), 5), (5, 40), [(5, 1, 3)]),
    "batch norm": (ops.BatchNorm(1e-5), (5, 4, 3), [(5,), (5,), (5,), (5,)]),
    "batch norm of vectors": (ops.BatchNorm(1e-5), (5,), [(5,), (5,), (5,), (5,)]),
    "add": (ops.Add(), (5, 4, 33), [(4, 1)]),
    "add a number": (ops.Add(), (70,), [()]),
    "sub": (ops.Sub(), (5, 4, 33), [(5, 4, 33)]),
    "mul": (ops.Mul(), (5, 1, 7), [(3, 1)]),
    "relu": (ops.Relu(), (333,), []),
    "clamp": (ops.Clamp(-1.0, 0.5), (333,), []),
    "clamp from below": (ops.Clamp(-1.0, None), (333,), []),
    "leaky relu": (ops.LeakyRelu(0.1), (333,), []),
    "hard sigmoid": (ops.HardSigmoid(), (333,), []),
    "hard swish": (ops.HardSwish(), (333,), []),
    "gelu": (ops.Gelu(), (333,), []),
    "prelu": (ops.Prelu(), (5, 6, 7), [(5,)]),
    "channel clamp": (ops.ChannelClamp(), (5, 6, 7), [(5,), (5,)]),
    "channel clamp of rows": (ops.ChannelClamp(), (5,), [(5,), (5,)]),
    "prelu of one slope": (ops.Prelu(), (5, 6), [(1,)]),
    "max pool": (ops.MaxPool((3, 2), (2, 1), ((1, 2), (0, 1)), (1, 2)), (3, 8, 9), []),
    "max pool of one axis": (ops.MaxPool((3,), (2,), ((1, 1),), (1,)), (3, 17), []),
    "average pool": (ops.AvgPool((3, 2), (2, 2), _PADS, True, (1, 0)), (3, 8, 9), []),
    "average pool inside": (ops.AvgPool((3, 2), (2, 2), _PADS, False, (1, 0)), (3, 8, 9), []),
    "average pool of one axis": (ops.AvgPool((3,), (2,), ((1, 1),), True, (0,)), (3, 17), []),
    "resize": (ops.ResizeBilinear((14, 5), False), (3, 7, 9), []),
    "resize to corners": (ops.ResizeBilinear((14, 1), True), (3, 7, 9), []),
    "dropout": (ops.Dropout(0.5), (9,), []),
}  # fmt: skip


def _draw(*shape: int) -> np.ndarray:
    rng = np.random.default_rng([len(shape), *shape])
    return (3 * rng.standard_normal(shape)).astype(np.float32)


def _program(op: FloatOp, sample: Shape, parameters: list[Shape]) -> Program:
    x = Value("x", (-1, *sample), FP32)
    values = [Value(f"w{i}", shape, FP32) for i, shape in enumerate(parameters)]
    constants = {value.name: _draw(*value.shape) for value in values}
    if isinstance(op, ops.BatchNorm):
        constants["w3"] = np.abs(constants["w3"])
    shapes = [x.shape, *parameters]
    y = Value("y", output_shape(op, shapes), FP32)
    program = Graph((x,), (y,), (Node(op, (x, *values), y),), constants)
    verify(program)
    return program


def _close(made: np.ndarray, expected: np.ndarray) -> None:
    largest = float(np.abs(expected).max())
    np.testing.assert_allclose(made, expected, rtol=2e-6, atol=2e-6 * largest)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", _PRODUCTS)
def test_sums_and_functions_are_close_to_the_references(name, isa):
    program = _program(*_PRODUCTS[name])
    x = {"x": _draw(2, *_PRODUCTS[name][1])}
    _close(engines.load(program, max_isa=isa)(x)["y"], reference.load(program)(x)["y"])


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", _EXACT)
def test_single_operations_are_the_references(name, isa):
    program = _program(*_EXACT[name])
    x = {"x": _draw(2, *_EXACT[name][1])}
    expected = reference.load(program)(x)["y"]
    np.testing.assert_array_equal(engines.load(program, max_isa=isa)(x)["y"], expected)


@pytest.mark.parametrize("name", [*_PRODUCTS, *_EXACT])
def test_threads_and_other_samples_change_no_bit(name):
    op, sample, parameters = {**_PRODUCTS, **_EXACT}[name]
    program = _program(op, sample, parameters)
    x = _draw(9, *sample)
    one = engines.load(program)
    expected = np.concatenate([one({"x": row[None]})["y"] for row in x])
    for threads in (1, 2, 3):
        made = engines.load(program, threads)({"x": x})["y"]
        np.testing.assert_array_equal(made, expected)


@pytest.mark.parametrize("name", [*_PRODUCTS, *_EXACT])
def test_instruction_sets_change_no_bit(name):
    """Products on vectors are fused, those of the portable kernel are not."""
    op, sample, parameters = {**_PRODUCTS, **_EXACT}[name]
    fused = isinstance(op, (ops.Conv, ops.ConvTranspose, ops.Linear, ops.MatMul))
    x = {"x": _draw(2, *sample)}
    results = []
    for isa in ISAS[1:] if fused else ISAS:
        engine = engines.load(_program(op, sample, parameters), max_isa=isa)
        results.append(engine(x)["y"])
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


_ENDS = np.array([0.0, -0.0, 1e-45, 1e-30, 88.0, 89.0, 104.0, 200.0, 1e38, math.inf], np.float32)


@pytest.mark.parametrize("op", [ops.Sigmoid(), ops.Tanh(), ops.Silu(), ops.Gelu(), ops.Relu()])
def test_activations_at_the_ends(op):
    program = _program(op, (21,), [])
    x = {"x": np.concatenate([_ENDS, -_ENDS, [math.nan]]).astype(np.float32)[None]}
    with np.errstate(all="ignore"):
        expected = reference.load(program)(x)["y"]
    made = engines.load(program)(x)["y"]
    np.testing.assert_allclose(made, expected, rtol=1e-6, atol=1e-37)


@pytest.mark.parametrize("op", [ops.Softmax(1), ops.MaxPool((1,), (1,), ((0, 0),), (1,))])
def test_nan_stays(op):
    sample = (40,) if isinstance(op, ops.Softmax) else (1, 40)
    x = np.zeros((1, *sample), np.float32)
    x[..., 5] = math.nan
    made = engines.load(_program(op, sample, []))({"x": x})["y"]
    assert np.isnan(made[..., 5]).all()


@pytest.mark.parametrize("format", [Int(8), Int(8, signed=False), Int(16), Int(32), Int(64)])
def test_embedding_takes_rows(format):
    indices, weight = Value("i", (-1, 3), format), Value("w", (20, 5), FP32)
    y = Value("y", (-1, 3, 5), FP32)
    table = _draw(20, 5)
    program = Graph((indices,), (y,), (Node(ops.Embedding(), (indices, weight), y),), {"w": table})
    verify(program)
    numbers = np.array([[0, 19, 7], [3, 3, 3]], format.storage)
    made = engines.load(program, 2)({"i": numbers})["y"]
    np.testing.assert_array_equal(made, table[numbers])
    with pytest.raises(IndexError, match=r"out of range: rows are 0\.\.19"):
        engines.load(program)({"i": numbers + 1})


def test_a_computed_weight_is_refused():
    x, w = Value("x", (-1, 3), FP32), Value("w", (4, 3), FP32)
    y = Value("y", (-1, 4), FP32)
    program = Graph((x, w), (y,), (Node(ops.Linear(), (x, w), y),), {})
    with pytest.raises(UnsupportedOpError, match='use executor="reference"'):
        engines.load(program)


def test_three_space_axes_are_refused():
    program = _program(ops.MaxPool((1,) * 3, (1,) * 3, ((0, 0),) * 3, (1,) * 3), (1, 2, 2, 2), [])
    with pytest.raises(UnsupportedOpError, match='use executor="reference"'):
        engines.load(program)


def test_values_of_16_bits_are_refused():
    x, y = Value("x", (-1, 3), FP16), Value("y", (-1, 3, 1), FP16)
    program = Graph((x,), (y,), (Node(ops.Reshape((-1, 3, 1)), (x,), y),), {})
    verify(program)
    with pytest.raises(UnsupportedOpError, match=r"fp16 .*have no native form"):
        engines.load(program)
