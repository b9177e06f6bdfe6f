"""Runs a Program and the float network that it came from beside each other, layer by layer.

A value of the Program belongs to the value of the float network that has its name. Each layer runs
twice: on the codes that it gets in the Program (what it then writes differs from the float network
by everything that was quantized up to here), and alone, on the float network's own values rounded
to codes. Alone it is held against the float layer on the same rounded values, so that what remains
is the rounding of its weights and of its output, and what its output's range cuts off.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from intact.capture.module import CapturedModule, from_graph
from intact.exec.reference import fold, prepare
from intact.ir import float_ops as ops
from intact.ir import int_ops
from intact.ir.boundary import channels_last
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, Shape, Value, elements
from intact.ir.int_ops import IntOp, Program
from intact.numerics.arrays import Array
from intact.numerics.formats import Float
from intact.passes.extract import extract
from intact.ptq import Batch
from intact.ptq.samples import pieces

_PIECE = 1 << 25  # elements of all values of a piece of samples together: 128 MiB
_LOSE_NOTHING = (ops.Permute, ops.Reshape, ops.Slice, ops.Expand, int_ops.Dequantize)
_CHANNELS_LAST = (
    int_ops.QConv2d, int_ops.QConvTranspose2d, int_ops.DynamicConv2d, int_ops.QMaxPool2d,
    int_ops.QAvgPool2d, int_ops.QAdaptiveAvgPool2d, int_ops.QResizeNearest2d,
    int_ops.QResizeBilinear2d,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Known:
    """A value of the Program that the float network has, too: its name there.

    Axis i of what is stored is axis axes[i] of the float network's value.
    """

    name: str
    axes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LayerRun:
    """One layer on some samples, as real numbers and channels first.

    `alone` and `alone_real` are None where the float network has no such layer between the values
    that both networks know.
    """

    name: str  # in the float network; a fused activation's layer has the activation's name
    node: Node[IntOp]
    real: Array  # of the float network
    quantized: Array  # of the Program
    alone: Array | None  # the Program's layer on the float network's values
    alone_real: Array | None  # the float layer on the same


@dataclass(frozen=True, slots=True)
class Piece:
    """Some samples, and each layer on them in execution order, computed when it is asked for."""

    inputs: tuple[torch.Tensor, ...]
    samples: int
    layers: Iterator[LayerRun]


@dataclass(frozen=True, slots=True)
class Part:
    """A layer of the float network between values that both networks have."""

    sources: tuple[Value, ...]  # of the Program
    graph: Graph[FloatOp]  # from these values to the layer's output; no nodes: it only rounds
    module: CapturedModule


class Walk:
    """Both networks, ready to run."""

    def __init__(self, reference: Graph[FloatOp], program: Program) -> None:
        """`reference` is the float network without BatchNorm, `program` what was made of it."""
        self.reference = reference
        self.program = program
        self._constants, self._nodes = fold(program)
        self._steps = [prepare(node, self._constants) for node in self._nodes]
        self._known = _matching(reference, program)
        self.module = from_graph(reference).eval()
        self.parts = self._float_layers()  # by the Program's name of the layer

    def known(self, value: Value) -> str:
        """The name in the float network of a value that both have."""
        return self._known[value.name].name

    @property
    def layers(self) -> tuple[tuple[str, Node[IntOp]], ...]:
        """The layers that `run` yields, by their names in the float network."""
        return tuple(
            (self.known(node.output), node)
            for node in self._nodes
            if node.name in self._known and not isinstance(node.op, _LOSE_NOTHING)
        )

    @property
    def output_layers(self) -> tuple[str, ...]:
        """The layers whose numbers the outputs are, by their names in the float network."""
        made = {node.name: node for node in self._nodes}
        found: list[str] = []
        for output in self.program.outputs:
            value = output
            while value.name in made and isinstance(made[value.name].op, _LOSE_NOTHING):
                value = made[value.name].inputs[0]
            if value.name in self._known:
                found.append(self.known(value))
        return tuple(found)

    def runs(self, batches: Iterable[Batch]) -> Iterator[Piece]:
        """The samples in pieces that take little memory.

        Raises:
            CalibrationError: if a batch does not fit the network's inputs.
        """
        total = sum(elements(value.shape) for value in self.reference.values())
        for inputs, samples in pieces(self.reference.inputs, batches, max(1, _PIECE // total)):
            yield Piece(inputs, samples, self._run(inputs, samples))

    def _run(self, inputs: Sequence[torch.Tensor], samples: int) -> Iterator[LayerRun]:
        real: dict[str, Array] = {}

        def keep(name: str, x: torch.Tensor) -> None:
            real[name] = x.numpy()

        with torch.inference_mode():
            self.module.run(inputs, keep)
        codes = {**self._constants, **{v.name: real[v.name] for v in self.program.inputs}}
        rounded = dict(codes)  # the float network's values as codes
        for node, step in zip(self._nodes, self._steps, strict=True):
            codes[node.name] = step([codes[value.name] for value in node.inputs], samples)
            alone = step([rounded[value.name] for value in node.inputs], samples)
            if node.name not in self._known:
                rounded[node.name] = alone
                continue
            name = self.known(node.output)
            rounded[node.name] = self._as_codes(node.output, real[name])
            if isinstance(node.op, _LOSE_NOTHING):
                continue
            part = self._alone_real(node, name, rounded, real)
            yield LayerRun(
                name,
                node,
                real[name],
                self._as_real(node.output, codes[node.name]),
                None if part is None else self._as_real(node.output, alone),
                part,
            )

    def _as_codes(self, value: Value, real: Array) -> Array:
        """The float network's numbers as the Program stores them."""
        stored = real.transpose(self._known[value.name].axes)
        if isinstance(value.dtype, Float) or value.params is None:
            return stored.astype(value.dtype.storage, copy=False)
        return np.asarray(value.params.quantize(stored)).astype(value.dtype.storage, copy=False)

    def _as_real(self, value: Value, stored: Array) -> Array:
        """What the Program stores as real numbers, channels first."""
        real = stored if value.params is None else value.params.dequantize(stored)
        return real.transpose(np.argsort(self._known[value.name].axes))

    def _alone_real(
        self, node: Node[IntOp], name: str, rounded: Mapping[str, Array], real: Mapping[str, Array]
    ) -> Array | None:
        """The float layer on the numbers that the codes in `rounded` stand for."""
        part = self.parts.get(node.name)
        if part is None:
            return None
        if not part.graph.nodes:
            return real[name]
        inputs = [
            torch.from_numpy(np.ascontiguousarray(self._as_real(value, rounded[value.name])))
            for value in part.sources
        ]
        with torch.inference_mode():
            return part.module.run(inputs)[0].numpy()

    def _float_layers(self) -> dict[str, Part]:
        """The float network between what each layer reads and writes, where it is the same."""
        made = {node.name: node for node in self._nodes}
        parts: dict[str, Part] = {}
        for name, node in self.layers:
            sources = self._sources(node, made)
            try:
                graph = extract(self.reference, [self.known(value) for value in sources], [name])
            except ValueError:  # the Program computes this from something else
                continue
            parts[node.name] = Part(sources, graph, from_graph(graph).eval())
        return parts

    def _sources(self, node: Node[IntOp], made: Mapping[str, Node[IntOp]]) -> tuple[Value, ...]:
        """The values known to both networks that a node reads, through others and movements."""
        found: dict[str, Value] = {}
        waiting = list(node.inputs)
        while waiting:
            value = waiting.pop(0)
            if value.name in self._known:
                found.setdefault(self.known(value), value)
            elif value.name in made:
                waiting += made[value.name].inputs
        return tuple(found.values())


def disturbed(
    network: CapturedModule, inputs: Sequence[torch.Tensor], error: Mapping[str, Array]
) -> list[Array]:
    """A float network's outputs with an error added to some of its values, by name."""

    def add(name: str, x: torch.Tensor) -> torch.Tensor | None:
        return x + torch.from_numpy(error[name]) if name in error else None

    with torch.inference_mode():
        return [output.numpy() for output in network.run(inputs, add)]


def values_of(
    network: CapturedModule, inputs: Sequence[torch.Tensor], names: Container[str]
) -> dict[str, torch.Tensor]:
    """Some of a float network's values, by name."""
    found: dict[str, torch.Tensor] = {}

    def keep(name: str, x: torch.Tensor) -> None:
        if name in names:
            found[name] = x

    with torch.inference_mode():
        network.run(inputs, keep)
    return found


def _matching(reference: Graph[FloatOp], program: Program) -> dict[str, Known]:
    """The values that both have, by the Program's name.

    The codes of an output, whose name its real numbers have, are called ``<name>.codes``.
    """
    shapes = {
        value.name: value.shape
        for value in reference.values()
        if value.name not in reference.constants
    }
    last = _stored_last(program)
    found: dict[str, Known] = {}
    for value in program.values():
        name = value.name if value.name in shapes else value.name.removesuffix(".codes")
        shape = shapes.get(name)
        if shape is None or value.name in program.constants or len(shape) != len(value.shape):
            continue
        plain, moved = tuple(range(len(shape))), channels_last(len(shape))
        order = (moved, plain) if value.name in last else (plain, moved)
        fitting = [axes for axes in order if _permuted(shape, axes) == value.shape]
        if fitting:
            found[value.name] = Known(name, fitting[0])
    return found


def _permuted(shape: Shape, axes: tuple[int, ...]) -> Shape:
    return tuple(shape[axis] for axis in axes)


def _stored_last(program: Program) -> set[str]:
    """The values whose channels are at the end, where the shape alone would not tell."""
    last: set[str] = set()
    for node in program.nodes:
        rank = len(node.output.shape)
        moved = channels_last(rank)
        match node.op:
            case ops.Permute(axes):
                is_last = axes == moved and rank > 2
            case _ if isinstance(node.op, _CHANNELS_LAST):
                is_last = True
            case _:
                is_last = any(v.name in last and len(v.shape) == rank for v in node.inputs)
        if is_last:
            last.add(node.name)
    return last
