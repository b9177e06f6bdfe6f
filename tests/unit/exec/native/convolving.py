"""Convolutions of 8-bit codes whose numbers are as networks have them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from intact.exec.native.building import dtype, requant
from intact.exec.native.library import native
from intact.exec.native.windows import window
from intact.ir import int_ops
from intact.ir.graph import Graph, Node, Value
from intact.ir.int_ops import IntOp, Program
from intact.ir.shapes import output_shape
from intact.numerics.fixedpoint import Requant, quantize_multiplier
from intact.numerics.formats import Int
from tests.unit.exec.native.running import run_op
from tests.unit.exec.oracle import run_node


@dataclass(frozen=True)
class Case:
    """A convolution and an input of it."""

    op: int_ops.QConv2d
    x: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    source: Int
    output: Int

    def node(self) -> Node:
        inputs = (
            Value("x", self.x.shape, self.source),
            Value("weight", self.weight.shape, Int(8)),
            Value("bias", self.bias.shape, Int(32)),
        )
        shape = output_shape(self.op, [value.shape for value in inputs])
        return Node(self.op, inputs, Value("y", shape, self.output))

    def program(self) -> Program:
        """The convolution alone."""
        node = self.node()
        x, weight, bias = node.inputs
        constants = {weight.name: self.weight, bias.name: self.bias}
        return Graph[IntOp]((x,), (node.output,), (node,), constants)

    def build(self, make: Callable[..., native.Op | None], isa: native.Isa) -> native.Op | None:
        return make(
            window(self.op),
            self.x.shape[1:3],
            self.op.input_zero_point,
            dtype(self.source),
            dtype(self.output),
            self.weight,
            self.bias,
            requant(self.op.requant),
            isa,
        )

    def check(self, made: native.Op, threads: tuple[int, ...] = (1,)) -> None:
        """The operation gives what the reference gives."""
        expected = run_node(self.node(), [self.x, self.weight, self.bias])
        for count in threads:
            actual = run_op(made, [self.x], expected, count)
            np.testing.assert_array_equal(actual, expected)


def fitting(rng: np.random.Generator, weight: np.ndarray, output: Int) -> Requant:
    """As networks have it: sums of random inputs span the codes, once or a few times."""
    spread = np.sqrt((weight.astype(np.float64) ** 2).sum(axis=(1, 2, 3)) + 1) * 74
    real = 128 / spread * rng.uniform(0.2, 3, len(weight))
    zero_point = int(rng.integers(output.qmin, output.qmax + 1))
    limits = np.array([zero_point if rng.random() < 0.5 else output.qmin]), np.array([output.qmax])
    return Requant(*quantize_multiplier(real), zero_point, *limits)
