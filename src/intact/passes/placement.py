"""Where codes exist: which values of a graph are quantized, and which share parameters.

After Jacob et al. 2017, section 3 and TFLite's 8-bit specification:

1. A `Relu` or `Clamp` that is the only reader of a convolution, linear layer, matmul, sum,
   difference or product is fused into it: the layer's own output is never a tensor of codes. So is
   a `ChannelClamp`, where axis 1 has the channels that the layer may tell apart.
2. Operations that only move or select codes, and pooling and resizing, give their output the
   parameters of their input; so does padding, unless with a number that may lie outside of them.
3. A product with one positive number keeps the codes and multiplies the scale.
4. Softmax, sigmoid, hard-sigmoid and tanh have outputs of known range: fixed parameters.
5. In the body of a Scan, one step of x has the meaning of x, and a state has that of the state
   after the step: what goes in equals what comes out. A graph input or constant that is nothing but
   the initial value of one state has its meaning too. So has the sequence that the Scan gives.
6. Every other value of real numbers is observed: graph inputs, outputs of operations, constants
   that are read where an activation could be.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, Value
from intact.ir.scans import flattened, states
from intact.numerics.formats import Float, Int
from intact.numerics.qtensor import QuantParams

HasFusedActivation = (
    ops.Conv, ops.ConvTranspose, ops.Linear, ops.MatMul, ops.Add, ops.Sub, ops.Mul,
)  # fmt: skip
KeepsParams = (
    ops.MaxPool, ops.AvgPool, ops.AdaptiveAvgPool, ops.ResizeNearest, ops.ResizeBilinear,
    ops.Pad, ops.Reshape, ops.Permute, ops.Slice, ops.Expand, ops.Dropout,
)  # fmt: skip
STANDS_FOR_INFINITY = 5e3  # padding of this magnitude may saturate: it only has to win or lose
HasFixedRange = (ops.Softmax, ops.Sigmoid, ops.HardSigmoid, ops.Tanh)
HasWeight = (ops.Conv, ops.ConvTranspose, ops.Linear, ops.Embedding)
HasParameters = (ops.BatchNorm, ops.LayerNorm, ops.GroupNorm, ops.ChannelClamp, ops.Prelu)


@dataclass(frozen=True, slots=True)
class Observed:
    """Gets parameters of its own."""


@dataclass(frozen=True, slots=True)
class Fused:
    """Never exists as codes; the layer computes `into` directly."""

    into: str


@dataclass(frozen=True, slots=True)
class Shared:
    """Has the codes' meaning of `source`, its scale times `factor`."""

    source: str
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Fixed:
    """Has the fixed parameters of the operation's range, in the format of `source`."""

    op: ops.Softmax | ops.Sigmoid | ops.HardSigmoid | ops.Tanh
    source: str


@dataclass(frozen=True, slots=True)
class NotReal:
    """Indices or masks, not real numbers."""


Place: TypeAlias = Observed | Fused | Shared | Fixed | NotReal


def placement(graph: Graph[FloatOp]) -> dict[str, Place]:
    """The place of every value of the graph and of bodies, except weights and other parameters."""
    loops = {node.name: node.op for node in graph.nodes if isinstance(node.op, ops.Scan)}
    graph = flattened(graph)
    readers = graph.consumers()
    outputs = {value.name for value in graph.outputs}
    outputs.update(value.name for op in loops.values() for value in op.body.outputs)
    places: dict[str, Place] = {}
    for value in graph.inputs:
        places[value.name] = Observed() if isinstance(value.dtype, Float) else NotReal()
    for node in graph.nodes:
        if node.name in loops:
            places.update(_carried(loops[node.name], node))
            continue
        for value in activation_inputs(node):
            if value.name in graph.constants:
                places.setdefault(value.name, Observed())
        alone = node.name not in outputs and len(readers.get(node.name, ())) == 1
        reader = readers[node.name][0] if alone else None
        places[node.name] = _place(node, reader, graph)
    return {**places, **_initial(graph, loops)}


def _carried(op: ops.Scan, node: Node[FloatOp]) -> dict[str, Place]:
    """What a body is given, and what its Scan gives."""
    step, *before = op.body.inputs[: 1 + states(op)]
    places: dict[str, Place] = {step.name: Shared(node.inputs[0].name)}
    for value, after in zip(before, op.body.outputs, strict=True):
        places[value.name] = Shared(after.name)
    places[node.name] = Shared(op.body.outputs[op.state].name)
    return places


def _initial(graph: Graph[FloatOp], loops: Mapping[str, ops.Scan]) -> dict[str, Place]:
    """The inputs and constants that are the initial value of one state and nothing else."""
    uses: dict[str, set[str]] = {}  # the states of which a value is the beginning; "" of none
    outputs = {value.name for value in graph.outputs}
    for node in reversed(graph.nodes):
        if node.name in loops:
            op = loops[node.name]
            ends = ["", *(value.name for value in op.body.outputs)]
            for value, end in zip(node.inputs, ends, strict=False):
                uses.setdefault(value.name, set()).add(end)
            continue
        moves = isinstance(node.op, KeepsParams) and node.name not in outputs
        used = uses.get(node.name, {""}) if moves else {""}
        for value in node.inputs:
            uses.setdefault(value.name, set()).update(used)
    sources = [value.name for value in graph.inputs if value.name not in outputs]
    found: dict[str, Place] = {}
    for name in (*sources, *graph.constants):
        if len(uses.get(name, ())) == 1 and "" not in uses[name]:
            found[name] = Shared(next(iter(uses[name])))
    return found


def _place(node: Node[FloatOp], reader: Node[FloatOp] | None, graph: Graph[FloatOp]) -> Place:
    if not isinstance(node.output.dtype, Float):
        return NotReal()
    factor = scalar_factor(node, graph.constants)
    if factor is not None:
        return Shared(node.inputs[0].name, factor)
    if reader is not None and _fuses(node, reader.op):
        return Fused(reader.name)
    if isinstance(node.op, KeepsParams) and not _pads_with_new_number(node.op):
        return Shared(node.inputs[0].name)
    if isinstance(node.op, HasFixedRange):
        return Fixed(node.op, node.inputs[0].name)
    return Observed()


def _fuses(node: Node[FloatOp], activation: FloatOp) -> bool:
    match activation:
        case ops.Relu() | ops.Clamp():
            return isinstance(node.op, HasFusedActivation)
        case ops.ChannelClamp():
            if isinstance(node.op, ops.Linear | ops.MatMul):  # their channels are the last axis
                return len(node.output.shape) == 2
            return isinstance(node.op, HasFusedActivation)
        case _:
            return False


def _pads_with_new_number(op: FloatOp) -> bool:
    if not isinstance(op, ops.Pad) or op.mode is not ops.PadMode.CONSTANT:
        return False
    return 0 < abs(op.value) < STANDS_FOR_INFINITY


def activation_inputs(node: Node[FloatOp]) -> tuple[Value, ...]:
    """The inputs of a node that are not its weight, bias or other parameters."""
    if isinstance(node.op, ops.Scan):
        return node.inputs[: 1 + states(node.op)]
    if isinstance(node.op, HasWeight + HasParameters):
        return node.inputs[:1]
    return node.inputs


def scalar_factor(node: Node[FloatOp], constants: Mapping[str, np.ndarray]) -> float | None:
    """The positive number that a `Mul` node multiplies its first input by; None otherwise."""
    if not isinstance(node.op, ops.Mul):
        return None
    factor = constants.get(node.inputs[1].name)
    if factor is None or factor.size != 1 or node.inputs[0].name in constants:
        return None
    if node.inputs[0].shape != node.output.shape:
        return None
    number = float(factor.reshape(()))
    return number if 0 < number < np.inf else None


def fixed_params(place: Fixed, format: Int) -> QuantParams:
    """Parameters of an output of known range: (0, 1) or, for tanh, (-1, 1).

    8 bits: (1/256, -128) and (1/128, 0), TFLite's specification; 16 bits are symmetric,
    1/32768 and zero point 0.
    """
    span = 2**format.bits  # codes
    if isinstance(place.op, ops.Tanh):
        scale, zero_point = 2 / span, format.qmin + span // 2
    elif format.signed and format.bits > 8:
        scale, zero_point = 2 / span, 0
    else:
        scale, zero_point = 1 / span, format.qmin
    return QuantParams(format, np.asarray(scale, np.float32), np.asarray(zero_point))


def resolve(
    places: Mapping[str, Place], activations: Mapping[str, QuantParams]
) -> dict[str, QuantParams]:
    """Parameters of every value that has codes, given those of the observed ones.

    A value whose source has none has none.
    """
    params: dict[str, QuantParams | None] = {}

    def find(name: str) -> QuantParams | None:
        """A source may stand behind the value, as a state that a step ends with."""
        if name not in params:
            place = places.get(name)
            params[name] = None if place is None else _resolve(name, place, find, activations)
        return params[name]

    return {name: found for name in places if (found := find(name)) is not None}


def _resolve(
    name: str,
    place: Place,
    find: Callable[[str], QuantParams | None],
    activations: Mapping[str, QuantParams],
) -> QuantParams | None:
    match place:
        case Observed():
            return activations.get(name)
        case Shared(source, factor):
            shared = find(source)
            if shared is None or factor == 1.0:
                return shared
            scale = (shared.scale * np.float32(factor)).astype(np.float32)
            return QuantParams(shared.format, scale, shared.zero_point)
        case Fixed(_, source):
            origin = find(source)
            if origin is None or not isinstance(origin.format, Int):
                return None
            return fixed_params(place, origin.format)
        case Fused() | NotReal():
            return None
