"""Which layers follow each other so that their channels may be scaled in between.

A chain starts at a layer, convolution or linear, with the BatchNorm that alone reads it, and ends
at the layers that read its channels. With a positive factor s for each channel the function stays
the same if the first layer's outputs are divided by s and the weights behind multiplied by it,
where everything between commutes with the factor:

1. ReLU, leaky ReLU, PReLU, dropout; bounds, if they become bounds of each channel.
2. Pooling, resizing and means over space; padding that adds no number but 0.
3. Permutations, and reshaping that keeps a channel's numbers together.

A value that several nodes read is followed to all of them. Sums, products, concatenations and graph
outputs end the search without a chain, so that chains lie within the branches of residual blocks.
Layers that share a weight are in none.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, Value
from intact.numerics.arrays import F64
from intact.passes.channels import Layered, by_channels
from intact.passes.fold_batchnorm import affine
from intact.passes.rewrite import sole_reader

_ELEMENTWISE = (ops.Relu, ops.LeakyRelu, ops.Dropout)
_OVER_SPACE = (
    ops.MaxPool, ops.AvgPool, ops.AdaptiveAvgPool, ops.ResizeNearest, ops.ResizeBilinear,
)  # fmt: skip
_OF_CHANNELS = (ops.Prelu, ops.Clamp, ops.ChannelClamp)  # along axis 1


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer and the BatchNorm of its outputs."""

    node: Node[FloatOp]
    norm: Node[FloatOp] | None

    @property
    def op(self) -> Layered:
        """The layer's operation."""
        assert isinstance(self.node.op, Layered)
        return self.node.op

    @property
    def output(self) -> Value:
        """What the layer and its BatchNorm give."""
        return self.node.output if self.norm is None else self.norm.output

    @property
    def axis(self) -> int:
        """The axis of its output channels."""
        return len(self.output.shape) - 1 if isinstance(self.op, ops.Linear) else 1

    @property
    def outputs(self) -> int:
        """How many output channels it has."""
        return self.output.shape[self.axis]

    @property
    def inputs(self) -> int:
        """How many channels it reads."""
        shape = self.node.inputs[0].shape
        return shape[-1] if isinstance(self.op, ops.Linear) else shape[1]


@dataclass(frozen=True, slots=True)
class NormChain:
    """Layers that read a normalization, whose gamma and beta may be scaled instead of a layer."""

    norm: Node[FloatOp]  # a LayerNorm of one axis, a GroupNorm, or a BatchNorm behind no layer
    between: tuple[Node[FloatOp], ...]  # in execution order
    second: tuple[Layer, ...]

    @property
    def channels(self) -> int:
        """How many they have in common."""
        return self.norm.output.shape[_axis_of_norm(self.norm)]


@dataclass(frozen=True, slots=True)
class Chain:
    """Layers whose common channels may be scaled."""

    first: Layer
    between: tuple[Node[FloatOp], ...]  # in execution order
    second: tuple[Layer, ...]

    @property
    def channels(self) -> int:
        """How many they have in common."""
        return self.first.outputs


def layer_of(graph: Graph[FloatOp], node: Node[FloatOp]) -> Layer | None:
    """The layer of a node; None for other operations, and where its parameters are not its own."""
    if not isinstance(node.op, Layered) or not _owns(graph, node):
        return None
    norm = sole_reader(graph, node.output)
    if norm is None or not isinstance(norm.op, ops.BatchNorm):
        return Layer(node, None)
    if isinstance(node.op, ops.Linear) and len(node.output.shape) != 2:
        return Layer(node, None)  # the BatchNorm's channels are not the layer's outputs
    return Layer(node, norm) if _owns(graph, norm) else None


def chains(graph: Graph[FloatOp]) -> list[Chain]:
    """All chains, in the order of their first layers."""
    layers = _layers(graph)
    search = _Search(graph, layers)
    ends = ((layer, search.behind(layer.output, layer.axis)) for layer in layers.values())
    return [Chain(layer, *found) for layer, found in ends if found is not None]


def norm_chains(graph: Graph[FloatOp]) -> list[NormChain]:
    """All chains that begin at a normalization, in the order of these."""
    layers = _layers(graph)
    search = _Search(graph, layers)
    folded = {layer.norm.name for layer in layers.values() if layer.norm is not None}
    norms = [
        node
        for node in graph.nodes
        if isinstance(node.op, ops.LayerNorm | ops.GroupNorm | ops.BatchNorm)
        and node.name not in folded
        and not (isinstance(node.op, ops.LayerNorm) and node.op.axes > 1)
        and _owns(graph, node)
    ]
    ends = ((node, search.behind(node.output, _axis_of_norm(node))) for node in norms)
    return [NormChain(node, *found) for node, found in ends if found is not None]


def _axis_of_norm(node: Node[FloatOp]) -> int:
    return len(node.output.shape) - 1 if isinstance(node.op, ops.LayerNorm) else 1


def _layers(graph: Graph[FloatOp]) -> dict[str, Layer]:
    return {node.name: layer for node in graph.nodes if (layer := layer_of(graph, node))}


def _owns(graph: Graph[FloatOp], node: Node[FloatOp]) -> bool:
    readers = graph.consumers()
    parameters = [value.name for value in node.inputs[1:]]
    own = all(name in graph.constants and len(readers[name]) == 1 for name in parameters)
    return own and not {value.name for value in graph.outputs} & set(parameters)


class _Search:
    """Follows a layer's channels to the layers that read them."""

    def __init__(self, graph: Graph[FloatOp], layers: dict[str, Layer]) -> None:
        self._layers = layers
        self._order = {node.name: index for index, node in enumerate(graph.nodes)}
        self._readers = graph.consumers()
        self._outputs = {value.name for value in graph.outputs}

    def behind(
        self, value: Value, axis: int
    ) -> tuple[tuple[Node[FloatOp], ...], tuple[Layer, ...]] | None:
        """The nodes on the way and the layers at its ends; None where there is no chain."""
        found = list(self._follow(value, axis))
        nodes = [node for node in found if isinstance(node, Node)]
        second = tuple(node for node in found if isinstance(node, Layer))
        if None in found or not second:
            return None
        return tuple(sorted(nodes, key=lambda node: self._order[node.name])), second

    def _follow(self, value: Value, axis: int) -> Iterator[Node[FloatOp] | Layer | None]:
        """Nodes on the way, layers at its ends, and None where it leads nowhere."""
        if value.name in self._outputs or value.name not in self._readers:
            yield None
            return
        for node in self._readers[value.name]:
            if node.name in self._layers and node.inputs[0].name == value.name:
                reads = len(value.shape) - 1 if isinstance(node.op, ops.Linear) else 1
                yield self._layers[node.name] if reads == axis else None
                continue
            behind = axis_behind(node, axis) if node.inputs[0].name == value.name else None
            if behind is None:
                yield None
                return
            yield node
            yield from self._follow(node.output, behind)


def folded_taps(graph: Graph[FloatOp], layer: Layer, channels: int) -> F64:
    """The weight by the `channels` that it reads, as `by_channels`, its BatchNorm folded in."""
    taps = by_channels(layer.op, graph.constants[layer.node.inputs[1].name], channels)
    if layer.norm is None:
        return taps
    factor, _ = affine(layer.norm, graph.constants)
    return taps * factor.reshape(*taps.shape[:2], 1, 1)


def axis_behind(node: Node[FloatOp], axis: int) -> int | None:
    """Where a node's output has its input's channels; None if it does not commute with scaling."""
    op, x = node.op, node.inputs[0]
    if isinstance(op, _ELEMENTWISE):
        return axis
    if isinstance(op, _OF_CHANNELS + _OVER_SPACE):
        return axis if axis == 1 else None
    match op:
        case ops.Pad(pads, mode, value):
            adds_zero = mode is not ops.PadMode.CONSTANT or value == 0
            return axis if adds_zero and pads[axis] == (0, 0) else None
        case ops.Mean(axes, keepdims) if axis not in axes:
            return axis if keepdims else axis - sum(other < axis for other in axes)
        case ops.Permute(axes):
            return axes.index(axis)
        case ops.Reshape():
            return axis if _keeps_together(x.shape, node.output.shape, axis) else None
        case _:
            return None


def _keeps_together(before: tuple[int, ...], after: tuple[int, ...], axis: int) -> bool:
    """Whether channels stay where they are, each with the numbers behind it."""
    if before[:axis] != after[:axis] or len(after) <= axis:
        return False
    return after[axis] == before[axis] or len(after) == axis + 1
