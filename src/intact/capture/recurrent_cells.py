"""One time step of nn.RNN, nn.LSTM and nn.GRU, as nodes of a Scan's body.

Each step adds to the products of the input, which are computed ahead, those of the last state:

    RNN    h' = f(W_ih x + b_ih + W_hh h + b_hh),    f = tanh or ReLU
    LSTM   i, f, o = sigmoid, g = tanh of W_ih x + b_ih + W_hh h + b_hh
           c' = f c + i g,    h' = o tanh(c')
    GRU    r, z = sigmoid(W_ih x + b_ih + W_hh h + b_hh)
           n = tanh(W_in x + b_in + r (W_hn h + b_hn)),    h' = n + z (h - n)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from intact.capture.builder import Call, Constant, Operand
from intact.ir import float_ops as ops
from intact.ir.float_ops import BodyOp
from intact.ir.graph import Value


@dataclass(frozen=True, slots=True)
class Layer:
    """The weights of one layer in one direction."""

    name: str  # l0, l0_reverse
    w_ih: Constant
    w_hh: Constant
    biases: Sequence[Constant]  # b_ih, b_hh; or none
    projection: Constant | None
    reverse: bool


@dataclass(frozen=True, slots=True)
class Step:
    """Writes the nodes of one time step; each is called after the layer and its role."""

    call: Call
    layer: Layer

    def emit(self, op: BodyOp, *inputs: Operand, name: str, width: int) -> Value:
        """A node of shape (N, width)."""
        shape = (inputs[0].shape[0], width)
        return self.call.emit(op, *inputs, shape=shape, function=f"{self.layer.name}.{name}")

    def recurrent(self, h: Value) -> Value:
        """W_hh h + b_hh."""
        weight, bias = self.layer.w_hh, self.layer.biases[1:]
        return self.emit(ops.Linear(), h, weight, *bias, name="recurrent", width=weight.shape[0])

    def part(self, x: Value, number: int, width: int, name: str) -> Value:
        """Entries number * width to (number + 1) * width - 1 of x."""
        op = ops.Slice(1, number * width, (number + 1) * width)
        return self.emit(op, x, name=f"{name}.slice", width=width)


Cell: TypeAlias = Callable[[Step, Value, Sequence[Value]], list[Value]]
"""(step, products of the input, states): the next states."""


def rnn(
    activation: ops.Tanh | ops.Relu, step: Step, x: Value, states: Sequence[Value]
) -> list[Value]:
    """nn.RNN."""
    (h,) = states
    width = h.shape[1]
    gates = step.emit(ops.Add(), x, step.recurrent(h), name="gates", width=width)
    return [step.emit(activation, gates, name="h", width=width)]


def lstm(step: Step, x: Value, states: Sequence[Value]) -> list[Value]:
    """nn.LSTM; with proj_size, h is a product of what is h without."""
    h, c = states
    width = c.shape[1]
    emit = partial(step.emit, width=width)
    gates = step.emit(ops.Add(), x, step.recurrent(h), name="gates", width=4 * width)

    def gate(number: int, op: ops.Sigmoid | ops.Tanh, name: str) -> Value:
        return emit(op, step.part(gates, number, width, name), name=name)

    i, f = gate(0, ops.Sigmoid(), "i"), gate(1, ops.Sigmoid(), "f")
    g, o = gate(2, ops.Tanh(), "g"), gate(3, ops.Sigmoid(), "o")
    kept, added = emit(ops.Mul(), f, c, name="kept"), emit(ops.Mul(), i, g, name="added")
    c = emit(ops.Add(), kept, added, name="c")
    out = emit(ops.Tanh(), c, name="c.tanh")
    weight = step.layer.projection
    if weight is None:
        return [emit(ops.Mul(), o, out, name="h"), c]
    out = emit(ops.Mul(), o, out, name="out")
    return [step.emit(ops.Linear(), out, weight, name="h", width=weight.shape[0]), c]


def gru(step: Step, x: Value, states: Sequence[Value]) -> list[Value]:
    """nn.GRU."""
    (h,) = states
    width = h.shape[1]
    emit = partial(step.emit, width=width)
    recurrent = step.recurrent(h)

    def gate(number: int, name: str) -> Value:
        a = step.part(x, number, width, f"{name}.x")
        b = step.part(recurrent, number, width, f"{name}.h")
        return emit(ops.Sigmoid(), emit(ops.Add(), a, b, name=f"{name}.sum"), name=name)

    r, z = gate(0, "r"), gate(1, "z")
    reset = emit(ops.Mul(), r, step.part(recurrent, 2, width, "n.h"), name="reset")
    n = emit(ops.Add(), step.part(x, 2, width, "n.x"), reset, name="n.sum")
    n = emit(ops.Tanh(), n, name="n")
    kept = emit(ops.Mul(), z, emit(ops.Sub(), h, n, name="change"), name="kept")
    return [emit(ops.Add(), n, kept, name="h")]
