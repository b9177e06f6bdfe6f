import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from intact.ir import float_ops as ops
from intact.ir import int_ops as q
from intact.ir.float_ops import PadMode
from intact.ir.graph import Shape
from intact.ir.int_ops import IntOp, Program
from intact.ir.shapes import broadcast, output_shape
from intact.ir.windows import windows
from tests.unit.ir.examples import PADS, examples, name_of, network, requant
from tests.unit.ir.running import run

EXAMPLES = [*examples(), network()]
ids = [*map(name_of, EXAMPLES[:-1]), "network"]


@pytest.mark.parametrize("program", EXAMPLES, ids=ids)
def test_inferred_shape_is_the_declared_one(program: Program) -> None:
    for node in program.nodes:
        assert output_shape(node.op, [v.shape for v in node.inputs]) == node.output.shape


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("program", EXAMPLES, ids=ids)
def test_inferred_shape_is_what_the_interpreter_computes(program: Program, batch: int) -> None:
    run(program, batch)


def fitting(size: int, kernel: int, stride: int, dilation: int, pads: tuple[int, int]) -> int:
    """Windows that lie within the padded axis, one by one."""
    before, after = pads
    starts = range(-before, size + after, stride)
    return sum(start + dilation * (kernel - 1) < size + after for start in starts)


@given(
    st.integers(1, 20), st.integers(1, 5), st.integers(1, 4), st.integers(1, 3),
    st.tuples(st.integers(0, 4), st.integers(0, 4)),
)  # fmt: skip
def test_windows_are_those_that_fit(
    size: int, kernel: int, stride: int, dilation: int, pads: tuple[int, int]
) -> None:
    expected = fitting(size, kernel, stride, dilation, pads)
    if expected:
        assert windows((size,), (kernel,), (stride,), (dilation,), (pads,)) == (expected,)
    else:
        with pytest.raises(ValueError, match="exceeds"):
            windows((size,), (kernel,), (stride,), (dilation,), (pads,))


@given(
    st.integers(1, 9), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3),
    st.tuples(st.integers(0, 2), st.integers(0, 2)), st.integers(0, 2),
)  # fmt: skip
def test_transposed_convolution_inverts_the_size_of_a_convolution(
    size: int, kernel: int, stride: int, dilation: int, pads: tuple[int, int], more: int
) -> None:
    assume(more < stride)
    op = ops.ConvTranspose((stride,), (pads,), (more,), (dilation,))
    try:
        out = output_shape(op, [(-1, 1, size), (1, 1, kernel)])[2]
    except ValueError:
        assume(False)
    assert windows((out,), (kernel,), (stride,), (dilation,), (pads,)) == (size,)


shapes = st.lists(st.integers(1, 3), max_size=4).map(tuple)


@given(shapes, shapes)
def test_broadcasting_is_numpys(a: Shape, b: Shape) -> None:
    try:
        expected = np.broadcast_shapes(a, b)
    except ValueError:
        with pytest.raises(ValueError, match="do not broadcast"):
            broadcast(a, b)
    else:
        assert broadcast(a, b) == expected


def test_batch_dimensions_pass_through() -> None:
    assert broadcast((-1, 1, 5), (4, 1)) == (-1, 4, 5)
    assert broadcast((-2, 3), (-2, 1)) == (-2, 3)
    assert output_shape(ops.Concat(0), [(-1, 2), (-3, 2)]) == (-4, 2)
    assert output_shape(ops.Reshape((-8, 5)), [(-1, 8, 5)]) == (-8, 5)
    assert output_shape(ops.Expand((-2, 3)), [(1, 3)]) == (-2, 3)
    assert output_shape(ops.MatMul(), [(-8, 5, 7), (-8, 7, 3)]) == (-8, 5, 3)


X, Y = (-1, 4, 6, 6), (-1, 6, 6, 4)
POOL = ops.AvgPool((2, 2), (2, 2), ((0, 0), (0, 0)), False, (0, 0))
CONV = ops.Conv((1, 1), PADS, (1, 1))
QCONV = q.QConv2d((1, 1), PADS, (1, 1), 1, 0, None, requant(5))
REFUSED: dict[str, tuple[IntOp, list[Shape], str]] = {
    "no input": (ops.Relu(), [], "takes 1 inputs, not 0"),
    "three inputs": (ops.Add(), [X, X, X], "takes 2 inputs, not 3"),
    "without bias": (QCONV, [Y, (5, 3, 3, 4)], "takes 3 inputs, not 2"),
    "batch does not broadcast": (ops.Add(), [(-1, 2), (5, 2)], "do not broadcast"),
    "kernel of other rank": (CONV, [X, (5, 4, 3)], "does not fit"),
    "three space axes": (CONV, [(-1, 4, 6, 6, 6), (5, 4, 3, 3, 3)], "does not fit"),
    "one axis for QConv2d": (QCONV, [(-1, 6, 4), (5, 3, 4), (5,)], "does not fit"),
    "other channels": (CONV, [X, (5, 3, 3, 3)], "4 channels"),
    "bias of other size": (CONV, [X, (5, 4, 3, 3), (4,)], "bias or scale"),
    "groups": (ops.Conv((1, 1), PADS, (1, 1), 3), [X, (6, 1, 3, 3)], "3 groups"),
    "no groups": (ops.Conv((1, 1), PADS, (1, 1), 0), [X, (6, 4, 3, 3)], "0 groups"),
    "groups of outputs": (ops.Conv((1, 1), PADS, (1, 1), 2), [X, (5, 2, 3, 3)], "2 groups"),
    "stride for one axis": (ops.Conv((1,), PADS, (1, 1)), [X, (5, 4, 3, 3)], "stride"),
    "stride of 0": (ops.Conv((1, 0), PADS, (1, 1)), [X, (5, 4, 3, 3)], "stride"),
    "dilation of 0": (ops.Conv((1, 1), PADS, (1, 0)), [X, (5, 4, 3, 3)], "dilation"),
    "negative padding": (ops.Conv((1, 1), ((0, -1), (0, 0)), (1, 1)), [X, (5, 4, 3, 3)], "padding"),
    "kernel too large": (ops.Conv((1, 1), PADS, (1, 1)), [X, (5, 4, 9, 3)], "9 taps"),
    "batch of pixels": (CONV, [(4, 4, -1, 6), (5, 4, 3, 3)], "batch size"),
    "batch of channels": (CONV, [(4, -1, 6, 6), (5, 4, 3, 3)], "batch size"),
    "nothing left": (
        ops.ConvTranspose((1, 1), ((3, 3), (3, 3)), (0, 0), (1, 1)), [X, (4, 5, 1, 1)], "pixels",
    ),
    "negative output padding": (
        ops.ConvTranspose((1, 1), PADS, (0, -1), (1, 1)), [X, (4, 5, 3, 3)], "output_padding",
    ),
    "transposed channels": (
        ops.ConvTranspose((1, 1), PADS, (0, 0), (1, 1)), [X, (3, 5, 3, 3)], "4 channels",
    ),
    "linear": (ops.Linear(), [(-1, 7), (5, 6)], "does not fit"),
    "linear of a number": (ops.Linear(), [(), (5, 6)], "at least 1 axes"),
    "matmul": (ops.MatMul(), [(-1, 5, 7), (-1, 6, 3)], "do not multiply"),
    "matmul of vectors": (ops.MatMul(), [(7,), (7,)], "at least 2 axes"),
    "embedding": (ops.Embedding(), [(-1,), (5, 6, 7)], "2 axes"),
    "batch norm": (ops.BatchNorm(1e-5), [X, (4,), (4,), (4,), (3,)], "parameter"),
    "group norm": (ops.GroupNorm(3, 1e-5), [X, (4,), (4,)], "3 groups"),
    "layer norm": (ops.LayerNorm(2, 1e-5), [X, (6,), (6,)], "parameter"),
    "layer norm of the batch": (ops.LayerNorm(4, 1e-5), [X, X, X], "batch size"),
    "layer norm of no axis": (q.QLayerNorm(0, None), [X], "last 0 axes"),  # type: ignore[arg-type]
    "group norm of nothing": (q.QGroupNorm(0, None), [Y], "0 groups"),  # type: ignore[arg-type]
    "prelu": (ops.Prelu(), [X, (3,)], "parameter"),
    "channel clamp": (ops.ChannelClamp(), [X, (4,), (1,)], "parameter"),
    "softmax": (ops.Softmax(4), [X], "no axis 4"),
    "softmax of the batch": (q.QSoftmax(0, 0, 0), [(3, -1)], "batch size"),
    "mean": (ops.Mean((1, 1), False), [X], "repeated"),
    "mean of nothing": (ops.Mean((), False), [X], "empty"),
    "mean of the batch": (q.QMean((0,), False, 0, requant()), [X], "batch size"),
    "pool of two axes": (POOL, [(-1, 4)], "no such space"),
    "pool of padding": (
        ops.MaxPool((2, 2), (2, 2), ((2, 0), (0, 0)), (1, 1)), [X], "padding .* alone",
    ),
    "pool behind the end": (
        ops.MaxPool((2, 2), (2, 2), ((0, 2), (0, 0)), (1, 1)), [X], "padding .* alone",
    ),
    "pool around a pixel": (
        ops.MaxPool((2, 1), (1, 1), ((1, 1), (0, 0)), (2, 1)), [(-1, 4, 1, 6)], "alone",
    ),
    "negative overhang": (
        ops.AvgPool((2, 2), (2, 2), ((0, 0),) * 2, False, (0, -1)), [X], "overhang",
    ),
    "resize to nothing": (ops.ResizeNearest((0, 3)), [X], "size"),
    "resize of one axis": (ops.ResizeBilinear((3,), False), [(-1, 4, 6)], "4 axes"),
    "concat of nothing": (ops.Concat(0), [], "at least one"),
    "concat": (ops.Concat(1), [(-1, 2, 3), (-1, 2, 4)], "do not join"),
    "concat of batch and size": (ops.Concat(0), [(-1, 2), (1, 2)], "do not join"),
    "concat of fewer axes": (ops.Concat(2), [(-1, 2, 3), (-1, 2)], "do not join"),
    "concat of no axis": (ops.Concat(3), [(-1, 2), (-1, 2)], "no axis 3"),
    "pads": (ops.Pad(((0, 0),) * 3), [X], "3 pairs"),
    "pads below 0": (ops.Pad(((0, 0),) * 3 + ((0, -1),)), [X], "negative"),
    "pads of the batch": (ops.Pad(((0, 1),) + ((0, 0),) * 3), [X], "batch size"),
    "reflects too much": (ops.Pad(((0, 0),) * 3 + ((6, 0),), PadMode.REFLECT), [X], "exceed"),
    "wraps too much": (ops.Pad(((0, 0),) * 3 + ((7, 0),), PadMode.CIRCULAR), [X], "exceed"),
    "reshape": (ops.Reshape((-1, 5)), [(-1, 6)], "elements"),
    "reshape without batch": (ops.Reshape((6,)), [(-1, 6)], "elements"),
    "permute": (ops.Permute((0, 1, 1, 3)), [X], "order"),
    "slice": (ops.Slice(1, 0, 5), [X], "0:5:1"),
    "slice of nothing": (ops.Slice(1, 2, 2), [X], "2:2:1"),
    "slice backwards": (ops.Slice(1, 0, 2, 0), [X], "0:2:0"),
    "slice of the batch": (ops.Slice(0, 0, 1), [X], "batch size"),
    "expand": (ops.Expand((-1, 4)), [(2, 4)], "expand"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_shapes_that_do_not_fit_are_refused(case: str) -> None:
    op, inputs, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        output_shape(op, inputs)
