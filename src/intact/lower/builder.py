"""Collects the nodes of a Program and keeps each graph value in the forms that were asked for.

A value of the captured graph is channels first and real. In a Program it may exist as real numbers
or as codes, and codes may be stored channels first (plain) or channels last; conversions are added
when a reader first needs another form. This file alone knows about layouts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np

from intact.ir import float_ops as ops
from intact.ir.boundary import channels_last
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, Shape, Value, free_name
from intact.ir.int_ops import Dequantize, IntOp, Program, Quantize, Requantize
from intact.lower.requant import VALUES, coded, requant
from intact.model import ActivationParams, Dynamic, QuantizedModel
from intact.numerics.arrays import Array, Codes
from intact.numerics.formats import FP32, Binary, Format
from intact.numerics.qtensor import QuantParams, ScaledTensor
from intact.passes.placement import Fixed, Place, Shared, placement, resolve


class Layout(Enum):
    """How a value's axes are stored."""

    PLAIN = "plain"  # as in the captured graph
    LAST = "last"  # axis 1, the channels, moved to the end; ranks above 2


Averages = (ops.AvgPool, ops.AdaptiveAvgPool, ops.ResizeBilinear)
LAST_SUFFIX = {3: ".nlc", 4: ".nhwc"}


def stored_axes(rank: int, layout: Layout) -> tuple[int, ...]:
    """Axis i of the stored value is axis stored_axes[i] of the graph's."""
    return tuple(range(rank)) if layout is Layout.PLAIN else channels_last(rank)


def permuted(shape: Shape, axes: tuple[int, ...]) -> Shape:
    """Shape after `Permute(axes)`."""
    return tuple(shape[axis] for axis in axes)


def _spread(
    places: Mapping[str, Place], activations: Mapping[str, ActivationParams]
) -> dict[str, Dynamic]:
    """The dynamic activations, with the values that take their parameters from one."""

    def find(name: str) -> ActivationParams | None:
        place = places.get(name)
        return find(place.source) if isinstance(place, Shared | Fixed) else activations.get(name)

    return {name: found for name in places if isinstance(found := find(name), Dynamic)}


@dataclass(frozen=True, slots=True)
class Known:
    """What each value is to the integers, those of bodies too."""

    places: Mapping[str, Place]
    params: Mapping[str, QuantParams]
    dynamic: Mapping[str, Dynamic]

    @classmethod
    def of(cls, model: QuantizedModel) -> "Known":
        """From what was decided about the model."""
        places = placement(model.graph)
        static = {n: p for n, p in model.activations.items() if isinstance(p, QuantParams)}
        params = _without_averages(model.graph, places, resolve(places, static))
        return cls(places, params, _spread(places, model.activations))


def _without_averages(
    graph: Graph[FloatOp], places: Mapping[str, Place], params: Mapping[str, QuantParams]
) -> dict[str, QuantParams]:
    """Without what shares binary codes as their average, which is no binary code."""
    averages = {node.name for node in graph.nodes if isinstance(node.op, Averages)}

    def averaged(name: str) -> bool:
        place = places.get(name)
        return isinstance(place, Shared) and (name in averages or averaged(place.source))

    return {n: p for n, p in params.items() if not (isinstance(p.format, Binary) and averaged(n))}


class Builder:
    """The Program under construction, and what is known about the model's values."""

    def __init__(self, model: QuantizedModel, known: Known | None = None) -> None:
        """Starts with the graph's inputs and no nodes; `known` is that of a graph around this."""
        self.graph = model.graph
        self.weights = model.weights
        self.known = Known.of(model) if known is None else known
        self.places, self.params = self.known.places, self.known.params
        self.dynamic = self.known.dynamic
        self.shapes = {value.name: value.shape for value in model.graph.values()}
        self._dtypes = {value.name: value.dtype for value in model.graph.values()}
        self._outputs = {value.name for value in model.graph.outputs}
        self._nodes: list[Node[IntOp]] = []
        self._constants: dict[str, Array] = {}
        self._read_from: dict[str, list[Value]] = {}  # constants, by the graph's name
        self._real: dict[str, Value] = {value.name: value for value in model.graph.inputs}
        self._codes: dict[tuple[str, Layout], Value] = {}
        self._names = {value.name for value in model.graph.inputs} | self._outputs

    # --- writing -----------------------------------------------------------------------------

    def emit(self, op: IntOp, inputs: tuple[Value, ...], output: Value) -> Value:
        """Appends a node."""
        self._nodes.append(Node(op, inputs, output))
        return output

    def constant(
        self, name: str, codes: Codes, dtype: Format, params: QuantParams | None = None
    ) -> Value:
        """A constant of the Program; an identical one of the same name is used again."""
        stored = np.asarray(np.ascontiguousarray(codes, dtype.storage)).reshape(codes.shape)
        for value in self._read_from.setdefault(name, []):
            same = value.dtype == dtype and value.params == params
            if same and np.array_equal(self._constants[value.name], stored):
                return value
        made = Value(self.unique(name), stored.shape, dtype, params)
        self._constants[made.name] = stored
        self._read_from[name].append(made)
        return made

    def unique(self, name: str) -> str:
        """The name, or the name with a number if it is taken."""
        free = free_name(name, self._names)
        self._names.add(free)
        return free

    def real_output(self, value: Value) -> Value:
        """The Program's value for a real result of the graph's node `value`; record it."""
        name = value.name if value.name in self._outputs else self.unique(value.name)
        made = Value(name, value.shape, value.dtype)
        self._real[value.name] = made
        return made

    def codes_output(self, name: str, layout: Layout) -> Value:
        """The Program's value for the codes of graph value `name`; record it."""
        params = coded(self.params[name])
        shape = permuted(self.shapes[name], stored_axes(len(self.shapes[name]), layout))
        # The plain name of an output is for the real numbers that the user receives.
        own = self.unique(f"{name}.codes" if name in self._names else name)
        made = Value(own, shape, params.format, params)
        self._codes[name, layout] = made
        return made

    def alias(self, name: str, source: str, layout: Layout) -> None:
        """Graph value `name` is the same codes as `source`."""
        self._codes[name, layout] = self.codes(source, layout)

    def temporary(self, name: str, shape: Shape, like: Value) -> Value:
        """A value that only a lowering rule knows, with the codes' meaning of `like`."""
        return Value(self.unique(name), shape, like.dtype, like.params)

    # --- reading -----------------------------------------------------------------------------

    def rank(self, name: str) -> int:
        """Number of axes of a graph value."""
        return len(self.shapes[name])

    def layout(self, name: str) -> Layout:
        """The layout in which codes of this value exist already; PLAIN if in both or none."""
        only_last = (name, Layout.LAST) in self._codes and (name, Layout.PLAIN) not in self._codes
        return Layout.LAST if only_last else Layout.PLAIN

    def codes(self, name: str, layout: Layout) -> Value:
        """The codes of a graph value that has parameters, in the layout asked for."""
        if (name, layout) in self._codes:
            return self._codes[name, layout]
        if name in self.graph.constants:
            return self._constant_codes(name, layout)
        other = Layout.PLAIN if layout is Layout.LAST else Layout.LAST
        if (name, other) in self._codes:
            return self._converted(name, self._codes[name, other], layout)
        if layout is Layout.LAST:
            return self._converted(name, self.codes(name, Layout.PLAIN), layout)
        if isinstance(self.params[name].format, Binary):
            return self._signs(name)
        made = self.codes_output(name, Layout.PLAIN)
        return self.emit(Quantize(coded(self.params[name])), (self._real[name],), made)

    def _signs(self, name: str) -> Value:
        """The signs of real numbers, those below 2**-24 counting as 0."""
        fine = QuantParams(VALUES, np.asarray(2.0**-23, np.float32))
        near = Value(self.unique(f"{name}.near"), self.shapes[name], VALUES, fine)
        self.emit(Quantize(fine), (self._real[name],), near)
        made = self.codes_output(name, Layout.PLAIN)
        return self.emit(Requantize(0, requant(1.0, self.params[name])), (near,), made)

    def _constant_codes(self, name: str, layout: Layout) -> Value:
        params = coded(self.params[name])
        codes = params.quantize(self.graph.constants[name])
        axes = stored_axes(codes.ndim, layout)
        made = self.constant(name, codes.transpose(axes), params.format, params)
        self._codes[name, layout] = made
        return made

    def _converted(self, name: str, source: Value, layout: Layout) -> Value:
        rank = self.rank(name)
        last = stored_axes(rank, Layout.LAST)
        axes = last if layout is Layout.LAST else tuple(int(i) for i in np.argsort(last))
        suffix = LAST_SUFFIX.get(rank, ".last") if layout is Layout.LAST else ".plain"
        shape = permuted(source.shape, axes)
        target = self.temporary(name + suffix, shape, source)
        self._codes[name, layout] = target
        # With at most one pixel or one channel, moving the channels moves nothing.
        graph_shape = self.shapes[name]
        trivial = graph_shape[1] == 1 or all(n == 1 for n in graph_shape[2:])
        return self.emit(ops.Reshape(shape) if trivial else ops.Permute(axes), (source,), target)

    def real(self, name: str) -> Value:
        """The real numbers of a graph value, channels first."""
        if name not in self._real:
            if name in self.graph.constants:
                self._real[name] = self._real_constant(name)
            else:
                source = self.codes(name, Layout.PLAIN)
                own = name if name in self._outputs else self.unique(f"{name}.real")
                target = Value(own, source.shape, FP32)
                self._real[name] = self.emit(
                    Dequantize(coded(self.params[name])), (source,), target
                )
        return self._real[name]

    def _real_constant(self, name: str) -> Value:
        weight = self.weights.get(name)
        if isinstance(weight, ScaledTensor):
            params = weight.params
            codes = self.constant(name, weight.codes, params.format)
            target = Value(self.unique(f"{name}.real"), codes.shape, FP32)
            return self.emit(Dequantize(params), (codes,), target)
        array = self.graph.constants[name] if weight is None else weight.dequantize()
        return self.constant(name, array, self._dtypes[name])

    # --- the end -----------------------------------------------------------------------------

    def program(self) -> Program:
        """The finished Program, without nodes and constants that nothing reads."""
        outputs = tuple(self.real(value.name) for value in self.graph.outputs)
        return self.computing(self.graph.inputs, outputs)

    def given(self, value: Value) -> Value:
        """An input of the graph as a body has it: codes, if it has parameters."""
        params = self.params.get(value.name)
        if params is None:
            return value
        made = Value(value.name, value.shape, params.format, params)
        del self._real[value.name]
        self._codes[value.name, Layout.PLAIN] = made
        return made

    def computing(self, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> Program:
        """The nodes and constants that these outputs need."""
        needed = {value.name for value in outputs}
        kept: list[Node[IntOp]] = []
        for node in reversed(self._nodes):
            if node.output.name in needed:
                kept.append(node)
                needed.update(value.name for value in node.inputs)
        constants = {n: a for n, a in self._constants.items() if n in needed}
        return Graph(inputs, outputs, tuple(reversed(kept)), constants)
