"""Bands of rows compute the same integers as whole images."""

from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from intact.errors import BudgetError
from intact.exec.reference import load
from intact.ir import float_ops as ops
from intact.ir import int_ops as q
from intact.ir.graph import Graph, Node, Value
from intact.ir.int_ops import IntOp, Program
from intact.ir.memory import plan_device
from intact.ir.shapes import output_shape
from intact.ir.verify import verify
from intact.numerics.arrays import Array
from intact.numerics.formats import Int
from intact.passes.fit_ram import fit_ram
from intact.passes.patch import cut, patched, stages
from tests.unit.ir.examples import requant

S8 = Int(8)
NONE = ((0, 0), (0, 0))
OPERAND = q.Operand(3, 1 << 30, 0)
ADD, MUL = q.QAdd(OPERAND, OPERAND, 20, requant()), q.QMul(1, 2, requant())


class Images:
    """A Program of operations on images, grown one by one."""

    def __init__(self, height: int, width: int, channels: int) -> None:
        self.x = Value("x", (-1, height, width, channels), S8)
        self.values = [self.x]
        self.nodes: list[Node[IntOp]] = []
        self.constants: dict[str, Array] = {}
        self.random = np.random.default_rng(height)

    def constant(self, dtype: Int, *shape: int) -> Value:
        value = Value(f"constant{len(self.constants)}", shape, dtype)
        codes = self.random.integers(-100, 100, shape).astype(dtype.storage)
        self.constants[value.name] = codes
        return value

    def add(self, op: IntOp, *inputs: Value) -> Value:
        shape = output_shape(op, [value.shape for value in inputs])
        output = Value(f"v{len(self.nodes)}", shape, S8)
        self.nodes.append(Node(op, inputs, output))
        self.values.append(output)
        return output

    def conv(
        self,
        x: Value,
        channels: int,
        kernel: tuple[int, int] = (3, 3),
        stride: tuple[int, int] = (1, 1),
        padding: ops.Pads = ((1, 1), (1, 1)),
        dilation: tuple[int, int] = (1, 1),
        groups: int = 1,
    ) -> Value:
        weight = self.constant(S8, channels, *kernel, x.shape[3] // groups)
        op = q.QConv2d(stride, padding, dilation, groups, -5, None, requant(channels))
        return self.add(op, x, weight, self.constant(Int(32), channels))

    def program(self) -> Program:
        """The last value is the output."""
        read = {value.name for node in self.nodes for value in node.inputs}
        constants = {name: codes for name, codes in self.constants.items() if name in read}
        return Graph((self.x,), (self.values[-1],), tuple(self.nodes), constants)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Operations on images in a row, with steps back to what has the same shape."""
    images = Images(draw(st.integers(4, 13)), draw(st.integers(3, 6)), draw(st.integers(1, 3)))
    for _ in range(draw(st.integers(2, 6))):
        x = images.values[-1]
        draw(st.sampled_from(KINDS))(draw, images, x)
    return images.program()


def _conv(draw: st.DrawFn, images: Images, x: Value) -> None:
    depthwise = draw(st.booleans())
    groups = x.shape[3] if depthwise else 1
    channels = groups * draw(st.integers(1, 2)) if depthwise else draw(st.integers(1, 4))
    kernel, stride, dilation, padding = (
        draw(_pairs(1, 3)), draw(_pairs(1, 3)), draw(_pairs(1, 2)), draw(_pads(3))
    )  # fmt: skip
    with suppress(ValueError):  # it does not fit the image
        images.conv(x, channels, kernel, stride, padding, dilation, groups)


def _max_pool(draw: st.DrawFn, images: Images, x: Value) -> None:
    op = q.QMaxPool2d(draw(_pairs(1, 3)), draw(_pairs(1, 3)), draw(_pads(2)), draw(_pairs(1, 2)))
    with suppress(ValueError):
        images.add(op, x)


def _avg_pool(draw: st.DrawFn, images: Images, x: Value) -> None:
    kernel, stride, overhang = draw(_pairs(1, 4)), draw(_pairs(1, 3)), draw(_pairs(0, 2))
    op = q.QAvgPool2d(kernel, stride, draw(_pads(2)), draw(st.booleans()), overhang, 7)
    with suppress(ValueError):
        images.add(op, x)


def _elementwise(draw: st.DrawFn, images: Images, x: Value) -> None:
    lookup = q.Lookup(np.arange(-128, 128)[::-1], ops.HardSwish())
    op = draw(st.sampled_from([lookup, q.Requantize(3, requant()), q.QSoftmax(1 << 30, 20, -124)]))
    images.add(op, x)


def _arithmetic(draw: st.DrawFn, images: Images, x: Value) -> None:
    """With an earlier value, or one number for each channel."""
    alike = [value for value in images.values if value.shape == x.shape]
    other = draw(st.sampled_from([*alike, images.constant(S8, x.shape[3])]))
    op = draw(st.sampled_from([q.QAdd(OPERAND, OPERAND, 20, requant()), q.QMul(1, 2, requant())]))
    images.add(op, x, other)


def _movement(draw: st.DrawFn, images: Images, x: Value) -> None:
    axis = draw(st.sampled_from([1, 2, 3]))
    start = draw(st.integers(0, x.shape[axis] - 1))
    stop = draw(st.integers(start + 1, x.shape[axis]))
    joined = [value for value in images.values if value.shape[1:3] == x.shape[1:3]]
    pads = ((0, 0), *draw(_pads(2)), (1, 0))
    op, others = draw(
        st.sampled_from(
            [
                (ops.Slice(axis, start, stop, draw(st.integers(1, 3))), []),
                (ops.Pad(pads, ops.PadMode.CONSTANT, -3.0), []),
                (ops.Concat(3), [draw(st.sampled_from(joined))]),
            ]
        )
    )
    images.add(op, x, *others)


KINDS: list[Callable[[st.DrawFn, Images, Value], None]] = [
    _conv, _conv, _max_pool, _avg_pool, _elementwise, _arithmetic, _movement
]  # fmt: skip


def _pairs(low: int, high: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(low, high), st.integers(low, high))


def _pads(high: int) -> st.SearchStrategy[tuple[tuple[int, int], tuple[int, int]]]:
    return st.tuples(_pairs(0, high), _pairs(0, high))


def _run(program: Program) -> Array:
    (x,), (y,) = program.inputs, program.outputs
    codes = np.random.default_rng(1).integers(-128, 128, (2, *x.shape[1:])).astype(np.int8)
    return load(program)({x.name: codes})[y.name]


@given(programs(), st.data())
def test_bands_compute_the_same_integers(program: Program, data: st.DataObject) -> None:
    found = list(stages(program))
    assume(found)
    stage = data.draw(st.sampled_from(found))
    patch = cut(stage, data.draw(st.integers(1, min(stage.output.shape[1], 5))))
    if patch is None:
        return
    made = patched(program, patch)
    verify(made)
    assert made.constants is program.constants
    assert made.outputs == program.outputs
    np.testing.assert_array_equal(_run(made), _run(program))


def two_convolutions(height: int = 32) -> Program:
    images = Images(height, 8, 2)
    images.conv(images.conv(images.x, 8), 1, stride=(2, 2))
    return images.program()


def test_a_halo_is_computed_by_both_neighbours() -> None:
    """Of 32 rows in 2 bands, the second convolution reads 17 and 16: one row twice."""
    program = two_convolutions()
    (stage,) = stages(program)
    one, two = cut(stage, 1), cut(stage, 2)
    assert one is not None
    assert one.extra_macs == 0
    assert two is not None
    assert two.extra_macs == 8 * 8 * 18  # pixels of a row, channels, products of each


def test_bands_need_less_memory() -> None:
    program = two_convolutions()
    whole = plan_device(program).size
    fitted = fit_ram(program, whole // 2)
    assert fitted.plan.size <= whole // 2
    assert fitted.stage == ("v0", "v1")
    assert fitted.bands > 1
    assert fitted.extra_macs > 0
    np.testing.assert_array_equal(_run(fitted.program), _run(program))


def test_the_fewest_products_are_computed_again() -> None:
    program = two_convolutions()
    budgets = range(800, plan_device(program).size + 1, 100)
    extra = [fit_ram(program, ram).extra_macs for ram in budgets]
    assert extra == sorted(extra, reverse=True)


def test_a_program_that_fits_stays_as_it_is() -> None:
    program = two_convolutions()
    fitted = fit_ram(program, plan_device(program).size)
    assert fitted.program is program
    assert fitted.bands == 1


def test_what_cannot_fit_is_refused_with_the_layer_and_what_can_be_reached() -> None:
    program = two_convolutions()
    with pytest.raises(BudgetError, match=r'2560 bytes of memory at "v0".* 100 allowed') as refused:
        fit_ram(program, 100)
    smallest = int(str(refused.value).split("bands of rows, ")[1].split(":")[0])
    assert fit_ram(program, smallest).plan.size == smallest


def test_a_network_without_images_is_refused_too() -> None:
    x, y = Value("x", (-1, 100), S8), Value("y", (-1, 100), S8)
    node = Node[IntOp](q.QMaxPool2d((1, 1), (1, 1), NONE, (1, 1)), (x,), y)
    with pytest.raises(BudgetError, match="bands of rows do not help"):
        fit_ram(Graph((x,), (y,), (node,), {}), 100)


def test_a_stage_ends_where_others_read() -> None:
    """Squeeze and excitation: the mean needs all of an image, and its gate is needed whole."""
    images = Images(16, 4, 2)
    first = images.conv(images.conv(images.x, 2), 2)
    mean = images.add(q.QMean((1, 2), True, 0, requant()), first)
    gate = images.conv(images.conv(mean, 4, (1, 1), padding=NONE), 2, (1, 1), padding=NONE)
    second = images.conv(images.add(MUL, first, gate), 2)
    program = images.program()
    names = {node.output.name: number for number, node in enumerate(program.nodes)}
    found = {stage.output: [names[n.name] for n in stage.nodes] for stage in stages(program)}
    assert found == {first: [0, 1], gate: [3, 4], second: [5, 6]}
    stage = next(stage for stage in stages(program) if stage.output == second)
    patch = cut(stage, 3)
    assert patch is not None
    np.testing.assert_array_equal(_run(patched(program, patch)), _run(program))
