"""The native engine with unusual Programs: refused when loaded, or run as the reference does."""

from dataclasses import replace

import numpy as np
import pytest

from intact.errors import UnsupportedOpError
from intact.exec import native, reference
from intact.exec.native import library
from intact.ir import float_ops as ops
from intact.ir import int_ops as q
from intact.ir.graph import Graph, Node, Value, with_batch
from intact.ir.int_ops import Program
from intact.ir.verify import verify
from intact.numerics.formats import BF16, FP16, FP32, Int
from intact.numerics.qtensor import QuantParams
from tests.unit.ir.examples import S8, coded, examples, filled, name_of, one, requant, two

EXAMPLES = [p for p in examples() if any(dim < 0 for v in p.inputs for dim in v.shape)]
X = Value("x", (-1, 3), S8)


def check(program: Program, **inputs: np.ndarray) -> None:
    """One and two threads give the reference's outputs."""
    verify(program)
    expected = reference.load(program)(inputs)
    for threads in (1, 2):
        made = native.load(program, threads)(inputs)
        for name, array in expected.items():
            np.testing.assert_array_equal(made[name], array)


def test_inputs_that_nothing_reads_are_taken() -> None:
    y = Value("y", (-1, 3), S8)
    first, last = Value("first", (-1, 5), S8), Value("last", (-1, 7), S8)
    node = Node(q.Requantize(0, requant()), (X,), y)
    program = Graph((first, X, last), (y,), (node,), {})
    codes = {v.name: filled(S8, (2, v.shape[1])) for v in program.inputs}
    check(program, **codes)


@pytest.mark.parametrize("dtype", [FP16, BF16, Int(32, signed=False), Int(64, signed=False)])
def test_formats_without_native_form_are_refused(dtype) -> None:
    x, y = Value("x", (2, 3), dtype), Value("y", (3, 2), dtype)
    node = Node(ops.Permute((1, 0)), (x,), y)
    for constants in ({}, {"x": filled(dtype, (2, 3))}):
        program = Graph(() if constants else (x,), (y,), (node,), constants)
        verify(program)
        with pytest.raises(UnsupportedOpError, match="no native form"):
            native.load(program)


@pytest.mark.parametrize("op", [ops.Add(), ops.Sub(), ops.Mul()])
def test_sums_with_integers_are_refused(op: ops.FloatOp) -> None:
    a, b = Value("a", (-1, 6), FP32), Value("b", (1,), Int(4))
    mixed = Graph((a, b), (replace(a, name="y"),), (Node(op, (a, b), replace(a, name="y")),), {})
    for program in (mixed, two(op, (-1, 6), S8, (6,), (-1, 6))):
        verify(program)
        with pytest.raises(UnsupportedOpError, match=r'no native form for ".*" of int'):
            native.load(program)


def test_nine_axes_are_refused_when_loaded() -> None:
    shape = (-1, *(1,) * 7, 3)
    program = one(ops.Reshape(shape), X, shape, S8)
    verify(program)
    with pytest.raises(UnsupportedOpError, match=r'"layer" has 9 axes, .* at most 8'):
        native.load(program)


def test_eight_axes_are_run() -> None:
    x = coded(-1, 1, 2, 1, 2, 1, 1, 3)
    axes = (0, 7, 6, 5, 4, 3, 2, 1)
    program = one(ops.Permute(axes), x, (-1, 3, 1, 1, 2, 1, 2, 1), S8)
    check(program, x=filled(S8, (2, 1, 2, 1, 2, 1, 1, 3)))


LARGE = 2**31 - 1


@pytest.mark.parametrize("groups", [1, 2, 16], ids=["few channels", "groups", "depthwise"])
@pytest.mark.parametrize("dtype", [S8, Int(16)], ids=["vectors", "portable"])
def test_strides_and_dilations_without_effect_may_be_any_number(groups: int, dtype: Int) -> None:
    channels = 16 if groups > 1 else 3
    x = coded(-1, 3, 3, channels, dtype=dtype)
    pads = ((0, 0), (0, 0))
    for kernel, stride, dilation, out in (
        ((3, 3), (LARGE, LARGE), (1, 1), (1, 1)),
        ((1, 3), (1, LARGE), (LARGE, 1), (3, 1)),
        ((2, 1), (2, 1), (1, LARGE), (1, 3)),
    ):
        op = q.QConv2d(stride, pads, dilation, groups, 0, None, requant(16, accumulator_bits=64))
        if dtype == S8:
            op = q.QConv2d(stride, pads, dilation, groups, 0, None, requant(16))
        weight = (S8, (16, *kernel, channels // groups))
        program = one(op, x, (-1, *out, 16), S8, weight, (Int(32), (16,)))
        check(program, x=filled(dtype, (2, 3, 3, channels)))


def test_pools_with_strides_without_effect() -> None:
    x = coded(-1, 3, 3, 5)
    largest = q.QMaxPool2d((3, 1), (LARGE, 1), ((0, 0), (0, 0)), (1, LARGE))
    check(one(largest, x, (-1, 1, 3, 5), S8), x=filled(S8, (2, 3, 3, 5)))
    mean = q.QAvgPool2d((2, 3), (LARGE, LARGE), ((0, 0), (0, 0)), True, (0, 0), 0)
    check(one(mean, x, (-1, 1, 1, 5), S8), x=filled(S8, (2, 3, 3, 5)))


def test_scales_that_alternate_over_more_elements_than_a_table_has_are_refused() -> None:
    size = 1 << 25
    params = QuantParams(S8, np.array([[1, 2]], np.float32))
    x, y = Value("x", (-1, size), FP32), Value("y", (-1, size), S8)
    program = Graph((x,), (y,), (Node(q.Quantize(params), (x,), y),), {})
    verify(program)
    with pytest.raises(UnsupportedOpError, match="alternate over 33554432 elements"):
        native.load(program)


def test_a_constant_index_of_no_row_is_an_error_of_the_run() -> None:
    codes, index = Value("codes", (2,), S8), Value("index", (2,), S8)
    table, rows = Value("table", (5, 3), FP32), Value("rows", (2, 3), FP32)
    fives = q.Lookup(np.full(256, 5), ops.Relu())
    nodes = (Node(fives, (codes,), index), Node(ops.Embedding(), (index, table), rows))
    constants = {"codes": np.zeros(2, np.int8), "table": np.ones((5, 3), np.float32)}
    program = Graph((), (rows,), nodes, constants)
    verify(program)
    with pytest.raises(IndexError):
        native.load(program)({})


@pytest.mark.parametrize("program", EXAMPLES, ids=name_of)
def test_empty_batches_give_empty_outputs(program: Program) -> None:
    """Every operation, if it has a batch axis."""
    inputs = {v.name: np.zeros(with_batch(v.shape, 0), v.dtype.storage) for v in program.inputs}
    expected = reference.load(program)(inputs)
    try:
        with np.errstate(invalid="ignore"):  # roots of the example's variances
            made = [native.load(program, threads)(inputs) for threads in (1, 2)]
    except UnsupportedOpError:
        made = []
    for outputs in (expected, *made):
        for value in program.outputs:
            shape = with_batch(value.shape, 0)
            assert (outputs[value.name].shape, outputs[value.name].dtype) == (
                shape,
                value.dtype.storage,
            )


@pytest.mark.parametrize("channels", [8, 16, 33, 64])
@pytest.mark.parametrize("size", [2, 16])
def test_empty_batches_of_fast_convolutions(size: int, channels: int) -> None:
    x, bias = coded(-1, size, size, channels), (Int(32), (channels,))
    for kernel, groups in ((1, 1), (3, 1), (3, channels)):
        pad = (kernel // 2, kernel // 2)
        op = q.QConv2d((1, 1), (pad, pad), (1, 1), groups, 3, None, requant(channels))
        weight = (S8, (channels, kernel, kernel, channels // groups))
        program = one(op, x, x.shape, S8, weight, bias)
        check(program, x=np.zeros((0, size, size, channels), np.int8))


def test_kernels_go_up_to_the_level_that_is_asked_for() -> None:
    pool = one(
        q.QMaxPool2d((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1)),
        coded(-1, 6, 6, 4),
        (-1, 3, 3, 4),
        S8,
    )
    inputs = {"x": filled(S8, (2, 6, 6, 4))}
    (expected,) = reference.load(pool)(inputs).values()
    kernels = set()
    for isa in native.levels():
        engine = native.load(pool, max_isa=isa)
        np.testing.assert_array_equal(engine(inputs)[pool.outputs[0].name], expected)
        kernels.add(engine.profile(inputs)[0].kernel)
    assert len(kernels) == len(native.levels())


def test_levels_that_this_cpu_lacks_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    lowest, *_, best = library.native.Isa
    monkeypatch.setattr(library.native, "best_isa", lambda: lowest)
    with pytest.raises(ValueError, match=f"no {best.name}, or INTACT_MAX_ISA forbids it"):
        native.load(Graph((X,), (X,), (), {}), max_isa=best)
