"""Each layer of a Program alone, between real numbers, so that a runtime sees it as it always does.

Layer by layer, a runtime's integers can be judged: differences do not add up. Codes at the
boundaries would show it other patterns than the whole network does, and other kernels would run:
so a layer reads Quantize of a real input, and a Dequantize follows it.
"""

from dataclasses import dataclass, replace

import numpy as np

from intact.ir import float_ops as ops
from intact.ir.graph import Node, Value
from intact.ir.int_ops import Dequantize, IntOp, Program, Quantize
from intact.numerics.arrays import Array
from intact.numerics.formats import FP32, Float
from intact.numerics.qtensor import QuantParams

_NO_LAYERS = (Quantize, ops.Permute, ops.Reshape, ops.Slice, ops.Expand)
_FIRST, _LAST = (0, 3, 1, 2), (0, 2, 3, 1)  # the order of an image's axes: NCHW, NHWC


@dataclass(frozen=True, slots=True)
class Boundary:
    """A value of codes and the real value, channels first, that stands for it outside."""

    codes: Value
    real: Value

    @property
    def params(self) -> QuantParams:
        """What the codes mean."""
        assert self.codes.params is not None
        return self.codes.params

    def to_real(self, codes: Array) -> Array:
        """What the layer is fed with."""
        real = self.params.dequantize(codes)
        return np.ascontiguousarray(real.transpose(_FIRST)) if real.ndim == 4 else real

    def to_codes(self, real: Array) -> Array:
        """The int64 codes that a real output stands for."""
        whole = np.rint(real / self.params.scale.reshape(())) + self.params.offset.reshape(())
        codes: Array = (whole.transpose(_LAST) if whole.ndim == 4 else whole).astype(np.int64)
        return codes


@dataclass(frozen=True, slots=True)
class Layerwise:
    """The layers beside each other in one Program.

    It takes the inputs of the network that layers with codes read, then `entries`; it returns
    `exits`.
    """

    program: Program
    own_inputs: tuple[Value, ...]
    entries: tuple[Boundary, ...]
    exits: tuple[Boundary, ...]


def layerwise(program: Program) -> Layerwise | None:
    """The layers that write codes of one scale; None if there are none.

    Layers that read computed real numbers are left out, and operations that only move codes.
    """
    made = program.producers()
    building = _Building(program)
    for node in program.nodes:
        flowing = [value for value in node.inputs if value.name not in program.constants]
        computes = not isinstance(node.op, _NO_LAYERS)
        reads_real = any(not _has_codes(v) and v.name in made for v in flowing)
        if computes and _has_codes(node.output) and not reads_real:
            building.add(node)
    return building.finished() if building.exits else None


def _has_codes(value: Value) -> bool:
    params = value.params
    return not isinstance(value.dtype, Float) and params is not None and params.scale.size == 1


class _Building:
    def __init__(self, program: Program) -> None:
        self._program = program
        self._nodes: list[Node[IntOp]] = []
        self._codes: dict[str, Value] = {}  # that a layer reads, by name of the value
        self.entries: list[Boundary] = []
        self.exits: list[Boundary] = []

    def add(self, node: Node[IntOp]) -> None:
        """The layer behind its own boundaries."""
        inputs = tuple(
            self._entry(value) if _has_codes(value) and self._flows(value) else value
            for value in node.inputs
        )
        self._nodes.append(Node(node.op, inputs, node.output))
        codes = self._permuted(node.output, _FIRST, "nchw")
        real = Value(f"{node.name}.out", codes.shape, FP32)
        boundary = Boundary(node.output, real)
        self._nodes.append(Node(Dequantize(boundary.params), (codes,), real))
        self.exits.append(boundary)

    def _flows(self, value: Value) -> bool:
        return value.name not in self._program.constants

    def _entry(self, value: Value) -> Value:
        """The value's codes, made of a real input; once for all its readers."""
        if value.name not in self._codes:
            shape = (
                tuple(value.shape[axis] for axis in _FIRST)
                if len(value.shape) == 4
                else value.shape
            )
            boundary = Boundary(value, Value(f"{value.name}.in", shape, FP32))
            codes = replace(value, name=f"{value.name}.in.codes", shape=shape)
            self._nodes.append(Node(Quantize(boundary.params), (boundary.real,), codes))
            self._codes[value.name] = self._permuted(codes, _LAST, "nhwc")
            self.entries.append(boundary)
        return self._codes[value.name]

    def _permuted(self, value: Value, axes: tuple[int, ...], suffix: str) -> Value:
        """Images only; the ONNX form of this is no node."""
        if len(value.shape) != 4:
            return value
        shape = tuple(value.shape[axis] for axis in axes)
        moved = replace(value, name=f"{value.name}.{suffix}", shape=shape)
        self._nodes.append(Node(ops.Permute(axes), (value,), moved))
        return moved

    def finished(self) -> Layerwise:
        read = {value.name for node in self._nodes for value in node.inputs}
        own = tuple(value for value in self._program.inputs if value.name in read)
        inputs = (*own, *(boundary.real for boundary in self.entries))
        constants = {n: a for n, a in self._program.constants.items() if n in read}
        outputs = tuple(boundary.real for boundary in self.exits)
        program = Program(inputs, outputs, tuple(self._nodes), constants)
        return Layerwise(program, own, tuple(self.entries), tuple(self.exits))
