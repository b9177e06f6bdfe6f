"""BatchNorm → weight and bias of the layer before it (Jacob et al. 2017, section 3.2).

With factor = gamma / sqrt(variance + eps) and shift = beta - mean * factor, a BatchNorm computes
factor * x + shift for each channel.

1. After a Conv, ConvTranspose or 2-d Linear that nothing else reads: weight' = factor * weight,
   bias' = factor * bias + shift. The layer keeps its name; its bias is ``<layer>.bias``.
2. Else, 3 or 4 axes: a depthwise 1x1 Conv in the BatchNorm's place, with its name.
3. Else, 2 axes: Mul and Add; the Add has the BatchNorm's name.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, Value, free_name
from intact.numerics.arrays import F64, Array
from intact.numerics.formats import FP32
from intact.passes.rewrite import sole_reader, substitute


def fold_batchnorm(graph: Graph[FloatOp], only: Collection[str] | None = None) -> Graph[FloatOp]:
    """The same function without BatchNorm; arithmetic in float64, constants in float32.

    With `only`, the BatchNorms of these names are folded and the others stay.
    """
    work = _Work(graph)
    for old in graph.nodes:
        node = substitute(old, work.values)
        if isinstance(node.op, ops.BatchNorm) and (only is None or node.name in only):
            work.replace(old, node)
        else:
            work.nodes[node.name] = node
    outputs = tuple(work.values.get(value.name, value) for value in graph.outputs)
    return Graph(graph.inputs, outputs, tuple(work.nodes.values()), work.used_constants())


@dataclass
class _Work:
    """The graph under construction."""

    graph: Graph[FloatOp]
    nodes: dict[str, Node[FloatOp]] = field(default_factory=dict)  # in order, by name
    values: dict[str, Value] = field(default_factory=dict)  # instead of BatchNorms, by their name
    constants: dict[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.constants.update(self.graph.constants)
        self.readers = self.graph.consumers()
        self.computed = {value.name for value in self.graph.inputs} | set(self.graph.producers())

    def replace(self, old: Node[FloatOp], node: Node[FloatOp]) -> None:
        """Folds a BatchNorm or puts its affine function in its place."""
        factor, shift = affine(node, self.constants)
        layer = self.nodes.get(node.inputs[0].name)
        alone = sole_reader(self.graph, old.inputs[0]) is not None
        if layer is not None and alone and self._foldable(layer):
            self.nodes[layer.name] = self._fold(layer, factor, shift)
            self.values[node.name] = layer.output
        elif len(node.output.shape) == 2:
            self._mul_add(node, factor, shift)
        else:
            self._depthwise(node, factor, shift)

    def _foldable(self, layer: Node[FloatOp]) -> bool:
        if any(value.name not in self.constants for value in layer.inputs[1:]):
            return False
        if isinstance(layer.op, ops.Linear):  # of 3 axes, BatchNorm's channels are not its outputs
            return len(layer.output.shape) == 2
        return isinstance(layer.op, ops.Conv | ops.ConvTranspose)

    def _fold(self, layer: Node[FloatOp], factor: F64, shift: F64) -> Node[FloatOp]:
        weight = self.constants[layer.inputs[1].name].astype(np.float64)
        scaled = weight * along_outputs(layer.op, factor, weight.shape)
        if len(layer.inputs) > 2:
            shift = shift + factor * self.constants[layer.inputs[2].name].astype(np.float64)
        return replace(
            layer,
            inputs=(
                layer.inputs[0],
                self._constant(layer.inputs[1].name, scaled, layer.name),
                self._constant(f"{layer.name}.bias", shift, layer.name),
            ),
        )

    def _depthwise(self, node: Node[FloatOp], factor: F64, shift: F64) -> None:
        space = len(node.output.shape) - 2
        ones = (1,) * space
        op = ops.Conv(stride=ones, padding=((0, 0),) * space, dilation=ones, groups=factor.size)
        weight = self._constant(f"{node.name}.weight", factor.reshape(-1, 1, *ones), node.name)
        bias = self._constant(f"{node.name}.bias", shift, node.name)
        self.nodes[node.name] = Node(op, (node.inputs[0], weight, bias), node.output)

    def _mul_add(self, node: Node[FloatOp], factor: F64, shift: F64) -> None:
        taken = {**self.constants, **dict.fromkeys(self.computed)}
        name = free_name(f"{node.name}.mul", taken)
        product = Value(name, node.output.shape, FP32)
        weight = self._constant(f"{node.name}.weight", factor, node.name)
        bias = self._constant(f"{node.name}.bias", shift, node.name)
        self.nodes[name] = Node(ops.Mul(), (node.inputs[0], weight), product)
        self.nodes[node.name] = Node(ops.Add(), (product, bias), node.output)

    def _constant(self, wanted: str, array: F64, reader: str) -> Value:
        """A new constant; it takes the name of an old one that only `reader` reads."""
        readers = {node.name for node in self.readers.get(wanted, [])}
        mine = readers <= {reader} and wanted not in self.computed
        taken = {**self.constants, **dict.fromkeys(self.computed)}
        name = wanted if mine else free_name(wanted, taken)
        self.constants[name] = array.astype(np.float32)
        return Value(name, array.shape, FP32)

    def used_constants(self) -> dict[str, Array]:
        """Without what only BatchNorms read."""
        read = {value.name for node in self.nodes.values() for value in node.inputs}
        read |= {value.name for value in self.graph.outputs}
        return {name: array for name, array in self.constants.items() if name in read}


def folded_into(graph: Graph[FloatOp], folded: Graph[FloatOp]) -> dict[str, str]:
    """The layer that each BatchNorm was folded into, by the BatchNorm's name.

    Args:
        graph: Before folding, without Dropout.
        folded: After it. A BatchNorm that became a layer of its own is in none.
    """
    left = {value.name for value in folded.values()}
    found: dict[str, str] = {}
    for node in graph.nodes:
        if isinstance(node.op, ops.BatchNorm) and node.name not in left:
            source = node.inputs[0].name
            found[node.name] = found.get(source, source)
    return found


def affine(node: Node[FloatOp], constants: Mapping[str, Array]) -> tuple[F64, F64]:
    """(factor, shift) of a BatchNorm, each of shape (C,)."""
    assert isinstance(node.op, ops.BatchNorm)
    gamma, beta, mean, variance = (
        constants[value.name].astype(np.float64) for value in node.inputs[1:]
    )
    factor = gamma / np.sqrt(variance + node.op.eps)
    return factor, beta - mean * factor


def output_moments(node: Node[FloatOp], constants: Mapping[str, Array]) -> tuple[F64, F64]:
    """(mean, deviation) of each channel that a BatchNorm gave in training.

    The mean is beta, the deviation |gamma| sqrt(variance / (variance + eps)): nearly 0 for a
    channel that hardly varied, which eps kept from being scaled up.
    """
    assert isinstance(node.op, ops.BatchNorm)
    gamma, beta, _, variance = (constants[v.name].astype(np.float64) for v in node.inputs[1:])
    return beta, np.abs(gamma) * np.sqrt(variance / (variance + node.op.eps))


def along_outputs(op: FloatOp, factor: F64, shape: tuple[int, ...]) -> F64:
    """`factor` (O,) in a shape that broadcasts against the layer's weight."""
    rest = (1,) * (len(shape) - 2)
    if isinstance(op, ops.ConvTranspose):  # weight (C, O/groups, ...), groups along C
        by_group = factor.reshape(op.groups, shape[1])
        return np.repeat(by_group, shape[0] // op.groups, axis=0).reshape(*shape[:2], *rest)
    return factor.reshape(-1, 1, *rest)
