"""Where codes exist: which values of a graph are quantized, and which share parameters.

After Jacob et al. 2017, section 3 and TFLite's 8-bit specification:

1. A `Relu` or `Clamp` that is the only reader of a convolution, linear layer, matmul, sum,
   difference or product is fused into it: the layer's own output is never a tensor of codes. So is
   a `ChannelClamp`, where axis 1 has the channels that the layer may tell apart.
2. Operations that only move or select codes, and pooling and resizing, give their output the
   parameters of their input; so does padding, unless with a number that may lie outside of them.
3. A product with one positive number keeps the codes and multiplies the scale.
4. Softmax, sigmoid, hard-sigmoid and tanh have outputs of known range: fixed parameters.
5. Every other value of real numbers is observed: graph inputs, outputs of operations, constants
   that are read where an activation could be.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, Value
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
    """The place of every value of the graph, in order, except weights and other parameters."""
    readers = graph.consumers()
    outputs = {value.name for value in graph.outputs}
    places: dict[str, Place] = {}
    for value in graph.inputs:
        places[value.name] = Observed() if isinstance(value.dtype, Float) else NotReal()
    for node in graph.nodes:
        for value in activation_inputs(node):
            if value.name in graph.constants:
                places.setdefault(value.name, Observed())
        alone = node.name not in outputs and len(readers.get(node.name, ())) == 1
        reader = readers[node.name][0] if alone else None
        places[node.name] = _place(node, reader, graph)
    return places


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
    params: dict[str, QuantParams] = {}
    for name, place in places.items():
        found = _resolve(name, place, params, activations)
        if found is not None:
            params[name] = found
    return params


def _resolve(
    name: str,
    place: Place,
    params: Mapping[str, QuantParams],
    activations: Mapping[str, QuantParams],
) -> QuantParams | None:
    match place:
        case Observed():
            return activations.get(name)
        case Shared(source, factor):
            shared = params.get(source)
            if shared is None or factor == 1.0:
                return shared
            scale = (shared.scale * np.float32(factor)).astype(np.float32)
            return QuantParams(shared.format, scale, shared.zero_point)
        case Fixed(_, source):
            origin = params.get(source)
            if origin is None or not isinstance(origin.format, Int):
                return None
            return fixed_params(place, origin.format)
        case Fused() | NotReal():
            return None
