"""What a network consists of: operations, formats, bytes and multiplications, layer by layer."""

from collections.abc import Mapping
from dataclasses import dataclass

from intact.ir import float_ops as ops
from intact.ir import int_ops
from intact.ir.graph import Graph, Node, Shape, Value
from intact.ir.int_ops import IntOp, Program, QuantizedOp
from intact.ir.macs import multiply_accumulates
from intact.ir.packing import packed_bytes
from intact.numerics.formats import Float

_HAS_WEIGHT = (
    ops.Conv, ops.ConvTranspose, ops.Linear, ops.Embedding,
    int_ops.QConv2d, int_ops.QConvTranspose2d, int_ops.QLinear, int_ops.QEmbedding,
    int_ops.DynamicConv2d, int_ops.DynamicLinear,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Layer:
    """One operation; sizes and multiplications are those of one sample."""

    name: str
    weight: str | None  # name of the weight
    op: str
    inputs: tuple[str, ...]  # values that flow in, without weights
    shape: Shape  # of the output as it is stored; -k: k times the batch
    format: str  # of the output
    weight_format: str | None
    weight_bytes: int
    macs: int  # multiply-accumulates

    @property
    def title(self) -> str:
        """``layer + activation`` where an activation that gave the name is fused into a layer."""
        module, dot, _ = (self.weight or "").rpartition(".weight")
        fused = dot and not self.name.startswith(module) and not _within(module, self.name)
        return f"{module} + {self.name}" if fused else self.name


def _within(module: str, name: str) -> bool:
    """Whether an ONNX name such as ``/layer1/layer1.0/conv1/Conv`` is of module layer1.0.conv1."""
    parts = iter(name.replace("/", ".").split("."))
    return all(part in parts for part in module.split("."))


def layers(graph: Graph[IntOp]) -> tuple[Layer, ...]:
    """The operations of a captured network or of a Program, in order.

    A float layer whose weights are stored as codes is shown with their format.
    """
    made = graph.producers()
    return tuple(_layer(node, graph, made) for node in graph.nodes if not _unpacks(node, graph))


def _unpacks(node: Node[IntOp], graph: Graph[IntOp]) -> bool:
    """Whether this only turns stored codes into a float layer's weights."""
    return isinstance(node.op, int_ops.Dequantize) and node.inputs[0].name in graph.constants


def _layer(node: Node[IntOp], graph: Graph[IntOp], made: Mapping[str, Node[IntOp]]) -> Layer:
    stored = [_stored(value, graph, made) for value in node.inputs]
    flowing = [value.name for value, s in zip(node.inputs, stored, strict=True) if s is None]
    weight = stored[1] if isinstance(node.op, _HAS_WEIGHT) else None
    return Layer(
        name=node.name,
        weight=None if weight is None else weight.name,
        op=type(node.op).__name__,
        inputs=tuple(flowing),
        shape=node.output.shape,
        format=str(node.output.dtype),
        weight_format=None if weight is None else str(weight.dtype),
        weight_bytes=sum(packed_bytes(s.dtype, s.shape) for s in stored if s is not None),
        macs=multiply_accumulates(node),
    )


def _stored(value: Value, graph: Graph[IntOp], made: Mapping[str, Node[IntOp]]) -> Value | None:
    """The constant behind a value, through a `Dequantize`."""
    node = made.get(value.name)
    if node is not None and _unpacks(node, graph):
        return node.inputs[0]
    return value if value.name in graph.constants else None


def float_layers(program: Program) -> dict[str, str]:
    """The operations of a Program that compute with real numbers, by name, and on which weights."""
    made = program.producers()
    found: dict[str, str] = {}
    for node in program.nodes:
        if not isinstance(node.output.dtype, Float) or isinstance(node.op, QuantizedOp):
            continue
        layer = _layer(node, program, made)
        weights = f" on {layer.weight_format} weights" if layer.weight_format else ""
        found[node.name] = f"computes in {layer.format}{weights}"
    return found


def constant_bytes(graph: Graph[IntOp]) -> int:
    """Bytes of all constants of a graph, packed to their formats' bits."""
    values = {value.name: value for value in graph.values() if value.name in graph.constants}
    return sum(packed_bytes(value.dtype, value.shape) for value in values.values())
