"""Recurrent networks: nn.RNN, nn.LSTM and nn.GRU, a Scan for each layer and direction.

The products of the input are an ordinary layer's, ``<module>.l0.input``, which runs ahead of the
Scan for all time steps at once; what the Scan's body computes is called ``<module>.l0.gates``,
``<module>.l0.h`` and so on (recurrent_cells.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

from intact.capture.builder import Call, Constant, Operand
from intact.capture.recurrent_cells import Cell, Layer, Step
from intact.capture.recurrent_cells import gru as gru_cell
from intact.capture.recurrent_cells import lstm as lstm_cell
from intact.capture.recurrent_cells import rnn as rnn_cell
from intact.ir import float_ops as ops
from intact.ir.float_ops import BodyOp
from intact.ir.graph import Graph, Node, Value

_STATES = ("h", "c")


@dataclass(frozen=True, slots=True)
class _Settings:
    """What a recurrent network is made with."""

    biases: bool
    layers: int
    dropout: float
    train: bool
    bidirectional: bool
    batch_first: bool

    @property
    def axis(self) -> int:
        """That of time."""
        return int(self.batch_first)


def lstm(
    c: Call, x: Operand, initial: Sequence[Operand], parameters: Sequence[Operand], *settings: Any
) -> list[Operand]:
    """aten.lstm.input: the output, h_n, c_n."""
    return _network(c, lstm_cell, x, initial, parameters, _Settings(*settings))


def _of_one_state(cell: Cell) -> Callable[..., list[Operand]]:
    """The translation of aten.rnn_tanh.input and the like: the output, h_n."""

    def translate(
        c: Call, x: Operand, h: Operand, parameters: Sequence[Operand], *settings: Any
    ) -> list[Operand]:
        return _network(c, cell, x, [h], parameters, _Settings(*settings))

    return translate


rnn_tanh = _of_one_state(partial(rnn_cell, ops.Tanh()))
rnn_relu = _of_one_state(partial(rnn_cell, ops.Relu()))
gru = _of_one_state(gru_cell)


def _network(
    c: Call,
    cell: Cell,
    x: Operand,
    initial: Sequence[Operand],
    parameters: Sequence[Operand],
    settings: _Settings,
) -> list[Operand]:
    c.need(
        x.shape[settings.axis] > 0,
        "Axis 0 of an input is the batch, but here it is time: make the layer with"
        " batch_first=True, or capture with dynamic_batch=False.",
    )
    inner = replace(c, origin=replace(c.origin, leaf=False))
    layers = _layers(c, parameters, settings)
    directions = len(layers) // settings.layers
    ends: list[list[Value]] = [[] for _ in initial]  # of each state
    outputs: list[Value] = []
    for number, layer in enumerate(layers):
        if number % directions == 0:
            outputs = []
            is_last = number + directions == len(layers)
            own = c if is_last else inner  # what the last layer gives has the module's name
        states = [
            _initial(inner, h, number, f"{layer.name}.{name}0")
            for h, name in zip(initial, _STATES, strict=False)
        ]
        scan = _Scan(inner, layer, settings.axis, own if directions == 1 else inner)
        made = scan(cell, _products(inner, layer, x), states)
        outputs.append(made[0])
        for end, sequence, state in zip(ends, made, _STATES, strict=False):
            end.append(scan.end(sequence, state))
        if len(outputs) == directions:
            x = _concat(own, outputs, 2, f"l{number // directions}")
            if settings.dropout > 0 and not is_last:
                x = inner.emit(ops.Dropout(settings.dropout), x, shape=x.shape, function="dropout")
    names = (f"{name}_n" for name in _STATES)
    return [x, *(_concat(inner, end, 0, name) for end, name in zip(ends, names, strict=False))]


def _layers(c: Call, parameters: Sequence[Operand], settings: _Settings) -> list[Layer]:
    """The layers, and of each its directions."""
    directions = 1 + settings.bidirectional
    count = len(parameters) // (settings.layers * directions)
    found = []
    for number in range(settings.layers * directions):
        layer, backward = divmod(number, directions)
        own = [c.parameter(p, "weight") for p in parameters[number * count :][:count]]
        projection = own.pop() if count % 2 else None
        name = f"l{layer}_reverse" if backward else f"l{layer}"
        found.append(Layer(name, own[0], own[1], own[2:], projection, bool(backward)))
    return found


def _products(c: Call, layer: Layer, x: Operand) -> Value:
    """W_ih x + b_ih of all steps."""
    shape = (*x.shape[:-1], layer.w_ih.shape[0])
    name = f"{layer.name}.input"
    return c.emit(ops.Linear(), x, layer.w_ih, *layer.biases[:1], shape=shape, function=name)


def _initial(c: Call, states: Operand, number: int, name: str) -> Operand:
    """State `number` (N, width) of (layers, N, width)."""
    producer = c.producer(states)
    source = producer.inputs[0] if producer and isinstance(producer.op, ops.Expand) else states
    known = c.known(source)
    width, batch = states.shape[2], states.shape[1]
    if known is not None and known.name is None:  # zeros, as a rule
        row = Constant(known.tensor.expand(states.shape[0], -1, width)[number], role="initial")
        expanded = ops.Expand((batch, width))
        return row if row.shape[0] == batch else c.move(expanded, row, (batch, width), name)
    op, shape = ops.Slice(0, number, number + 1), (1, batch, width)
    cut = states if states.shape[0] == 1 else c.move(op, states, shape, f"{name}.slice")
    return c.move(ops.Reshape((batch, width)), cut, (batch, width), name)


def _concat(c: Call, parts: Sequence[Value], axis: int, name: str) -> Value:
    if len(parts) == 1:
        return parts[0]
    shape = list(parts[0].shape)
    shape[axis] = sum(part.shape[axis] for part in parts)
    return c.emit(ops.Concat(axis), *parts, shape=tuple(shape), function=name)


@dataclass(frozen=True, slots=True)
class _Scan:
    """Runs the cell of a layer over time."""

    inner: Call
    layer: Layer
    axis: int
    own: Call  # that of the sequence of h

    def __call__(self, cell: Cell, x: Operand, initial: Sequence[Operand]) -> list[Value]:
        """The sequence of each state."""
        name, builder, axis = self.layer.name, self.inner.builder, self.axis
        shapes = [(*x.shape[:axis], *x.shape[axis + 1 :]), *(h.shape for h in initial)]
        roles = ["x", *(f"{state}.before" for state in _STATES)]
        given = [
            builder.given(shape, replace(self.inner.origin, function=f"{name}.{role}"))
            for shape, role in zip(shapes, roles, strict=False)
        ]
        with builder.drafting() as nodes:
            after = cell(Step(self.inner, self.layer), given[0], given[1:])
        inside = {value.name for value in given} | nodes.keys()
        read = {v.name: v for node in nodes.values() for v in node.inputs if v.name not in inside}
        written = cast(tuple[Node[BodyOp], ...], tuple(nodes.values()))  # a cell has no loops
        body = Graph((*given, *read.values()), tuple(after), written, {})
        inputs = (x, *initial, *read.values())
        sequences = []
        for number, (state, role) in enumerate(zip(after, _STATES, strict=False)):
            op = ops.Scan(body, axis, number, self.layer.reverse)
            shape = (*state.shape[:axis], x.shape[axis], *state.shape[axis:])
            call, function = (self.inner, f"{name}.{role}.sequence") if number else (self.own, name)
            sequences.append(call.emit(op, *inputs, shape=shape, function=function))
        return sequences

    def end(self, sequence: Value, state: str) -> Value:
        """The state (1, N, width) after the last step."""
        steps, axis = list(sequence.shape), self.axis
        last = 0 if self.layer.reverse else steps[axis] - 1
        steps[axis] = 1
        name = f"{self.layer.name}.{state}_n"
        cut = self.inner.move(
            ops.Slice(axis, last, last + 1), sequence, tuple(steps), f"{name}.slice"
        )
        shape = (1, sequence.shape[1 - axis], sequence.shape[2])
        return self.inner.move(ops.Reshape(shape), cut, shape, name)
