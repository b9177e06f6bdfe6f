"""QuantizedModel → Program: one rule for each float operation.

A node becomes integers where its inputs, its weights and its output have integer formats; otherwise
it stays a float operation on real numbers (weights that are stored as codes are then dequantized).
`lower` reports why, node by node.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Node
from intact.ir.int_ops import Program
from intact.ir.verify import verify
from intact.lower.builder import Builder
from intact.lower.dynamic import lower_dynamic
from intact.lower.elementwise import (
    lower_activation,
    lower_binary,
    lower_clamp,
    lower_concat,
    lower_prelu,
    lower_scalar_product,
)
from intact.lower.linear import (
    lower_conv,
    lower_embedding,
    lower_linear,
    lower_matmul,
)
from intact.lower.movement import lower_movement
from intact.lower.normalization import lower_group_norm, lower_layer_norm, lower_softmax
from intact.lower.requant import FusedActivation, activation_bounds
from intact.lower.scan import lower_scan
from intact.lower.spatial import lower_mean, lower_pool
from intact.model import QuantizedModel
from intact.passes.placement import Fused, NotReal, Shared


@dataclass(frozen=True, slots=True)
class Lowered:
    """A Program, and the reason for each node that stays float, by node name."""

    program: Program
    stays_float: dict[str, str]


def lower(model: QuantizedModel) -> Program:
    """The integer Program of a quantized model.

    Raises:
        ValueError: if the graph still holds BatchNorm or Dropout; run `for_inference` first.
    """
    return lower_with_reasons(model).program


def lower_with_reasons(model: QuantizedModel) -> Lowered:
    """As `lower`, and says why nodes stay float."""
    build = Builder(model)
    reasons: dict[str, str] = {}
    _lower_nodes(reasons, build, model.graph.nodes)
    program = build.program()
    verify(program)
    return Lowered(program, reasons)


def _lower_nodes(reasons: dict[str, str], build: Builder, nodes: Sequence[Node[FloatOp]]) -> None:
    """Emits all nodes; adds the reason of each that stays float."""
    producers = {node.name: node for node in nodes}
    done: set[str] = set()
    for node in nodes:
        if node.name in done:
            continue
        place = build.places[node.name]
        if _is_dynamic(build, node):
            reason = lower_dynamic(build, node)
        elif isinstance(node.op, ops.Scan):
            reason = lower_scan(build, node, partial(_lower_nodes, reasons))
        elif isinstance(place, Fused):
            activation = activation_bounds(producers[place.into], build.graph.constants)
            reason = _lower_node(build, node, place.into, activation)
            if reason is None:
                done.add(place.into)
        else:
            reason = _lower_node(build, node, node.name, None)
        if reason is not None:
            _keep_float(build, node)
            if not isinstance(place, NotReal):
                reasons[node.name] = reason


def _is_dynamic(build: Builder, node: Node[FloatOp]) -> bool:
    return isinstance(node.op, ops.Conv | ops.Linear) and node.inputs[0].name in build.dynamic


def _keep_float(build: Builder, node: Node[FloatOp]) -> None:
    inputs = tuple(build.real(value.name) for value in node.inputs)
    build.emit(node.op, inputs, build.real_output(node.output))


def _lower_node(
    build: Builder, node: Node[FloatOp], target: str, activation: FusedActivation
) -> str | None:
    """Emits the node's integer form; the reason why there is none otherwise."""
    place = build.places[node.name]
    match node.op:
        case ops.Conv() | ops.ConvTranspose():
            return lower_conv(build, node, target, activation)
        case ops.Linear():
            return lower_linear(build, node, target, activation)
        case ops.MatMul():
            return lower_matmul(build, node, target, activation)
        case ops.Embedding():
            return lower_embedding(build, node, target)
        case ops.Mul() if isinstance(place, Shared):
            return lower_scalar_product(build, node)
        case ops.Add() | ops.Sub() | ops.Mul():
            return lower_binary(build, node, target, activation)
        case _:
            return _lower_other(build, node)


def _lower_other(build: Builder, node: Node[FloatOp]) -> str | None:
    match node.op:
        case ops.Concat():
            return lower_concat(build, node)
        case ops.Relu() | ops.Clamp() | ops.ChannelClamp():
            return lower_clamp(build, node)
        case ops.Prelu():
            return lower_prelu(build, node)
        case ops.Softmax():
            return lower_softmax(build, node)
        case ops.LayerNorm():
            return lower_layer_norm(build, node)
        case ops.GroupNorm():
            return lower_group_norm(build, node)
        case ops.Mean():
            return lower_mean(build, node)
        case _:
            return _lower_simple(build, node)


def _lower_simple(build: Builder, node: Node[FloatOp]) -> str | None:
    op = node.op
    match op:
        case (
            ops.LeakyRelu()
            | ops.HardSigmoid()
            | ops.HardSwish()
            | ops.Sigmoid()
            | ops.Tanh()
            | ops.Silu()
            | ops.Gelu()
        ):
            return lower_activation(build, node)
        case (
            ops.MaxPool()
            | ops.AvgPool()
            | ops.AdaptiveAvgPool()
            | ops.ResizeNearest()
            | ops.ResizeBilinear()
        ):
            return lower_pool(build, node)
        case ops.Reshape() | ops.Permute() | ops.Slice() | ops.Expand() | ops.Pad():
            return lower_movement(build, node)
        case ops.BatchNorm() | ops.Dropout():
            raise ValueError(
                f'{type(op).__name__} "{node.name}" belongs to training;'
                " run intact.passes.inference.for_inference first"
            )
        case _:
            raise AssertionError(op)
