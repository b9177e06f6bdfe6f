"""What is known about the values of an ONNX graph: shapes and constants at several batch sizes.

Symbolic shape arithmetic is replaced by trials: the graph is walked at two coprime batch sizes at
once. A dimension that is the same in both does not depend on the batch; one that is k times the
batch in both is -k; anything else is an error. So a chain Shape, Gather, Mul, Concat, Reshape needs
no algebra, only the values that each node computes.
"""

from dataclasses import dataclass, field

import numpy as np
from onnx import TensorProto

from intact.errors import FormatError, UnsupportedOpError
from intact.ir.graph import Shape
from intact.numerics.arrays import Array
from intact.numerics.formats import FP32, Format, Int

TRIALS = (7, 11)
LARGEST = 1 << 33  # elements of a value at such a batch size; no network that runs has more

FLOATS = frozenset(
    {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16}
)
_INTEGERS: dict[int, Int] = {
    TensorProto.INT64: Int(64),
    TensorProto.INT32: Int(32),
    TensorProto.INT16: Int(16),
    TensorProto.INT8: Int(8),
    TensorProto.UINT64: Int(64, signed=False),
    TensorProto.UINT32: Int(32, signed=False),
    TensorProto.UINT16: Int(16, signed=False),
    TensorProto.UINT8: Int(8, signed=False),
    TensorProto.BOOL: Int(1, signed=False),
}


@dataclass(frozen=True, slots=True)
class Known:
    """A constant: its array at each trial, the same object where it does not depend on the batch.

    `source` is the initializer it comes from if only layout and type were changed on the way.
    """

    arrays: tuple[Array, ...]
    source: str

    @property
    def varies(self) -> bool:
        """Whether the constant depends on the batch size, as ``zeros(batch, 16)`` does."""
        return any(array is not self.arrays[0] for array in self.arrays)


@dataclass(frozen=True, slots=True)
class Info:
    """Element type (of TensorProto) and the shape at each trial."""

    elem_type: int
    shapes: tuple[Shape, ...]


@dataclass(slots=True)
class Facts:
    """Filled by the walk over the graph, read by patterns and translators.

    `batches` are the trials' batch sizes. In a file whose batch size is fixed, `fixed` is that
    size, and a last trial uses it; `inner` then holds what `batch.Freed` calls so.
    """

    batches: tuple[int, ...]
    fixed: int | None
    infos: dict[str, Info] = field(default_factory=dict)
    known: dict[str, Known] = field(default_factory=dict)
    inner: dict[str, int] = field(default_factory=dict)

    def shape(self, name: str) -> Shape:
        """The shape with -k for k times the batch.

        Raises:
            UnsupportedOpError: if a dimension is not a multiple of the batch size.
        """
        shapes = self.infos[name].shapes
        return tuple(
            self._dimension(name, axis, sizes)
            for axis, sizes in enumerate(zip(*shapes, strict=True))
        )

    def _dimension(self, name: str, axis: int, sizes: tuple[int, ...]) -> int:
        if all(size == sizes[0] for size in sizes):
            if sizes[0] < 1:
                raise FormatError(f'axis {axis} of the ONNX value "{name}" has size {sizes[0]}')
            return sizes[0]
        factor = sizes[0] // self.batches[0]
        if all(size == factor * batch for size, batch in zip(sizes, self.batches, strict=True)):
            return -factor
        seen = ", ".join(map(str, sizes))
        raise UnsupportedOpError(
            f'axis {axis} of the ONNX value "{name}" has sizes {seen} at the batch sizes'
            f" {', '.join(map(str, self.batches))}, which is no multiple of the batch. Export the"
            " network so that each sample of a batch is computed alone"
        )

    def static(self, name: str) -> Array | None:
        """The constant's array if it is one and does not depend on the batch."""
        known = self.known.get(name)
        return None if known is None or known.varies else known.arrays[0]

    def scalar(self, name: str) -> float | None:
        """The number, if the value is a constant with one element."""
        array = self.static(name)
        if array is None or array.size != 1 or array.dtype.kind not in "fiuV":
            return None
        return float(np.asarray(array, np.float64).reshape(()))

    def is_float(self, name: str) -> bool:
        """Whether the value holds real numbers."""
        return self.infos[name].elem_type in FLOATS

    def dtype(self, name: str) -> Format:
        """The format of the value's codes; all real numbers are captured as float32.

        Raises:
            UnsupportedOpError: for strings, complex numbers and quantized element types.
        """
        elem_type = self.infos[name].elem_type
        if elem_type in FLOATS:
            return FP32
        if elem_type not in _INTEGERS:
            kinds = {number: kind for kind, number in TensorProto.DataType.items()}
            raise UnsupportedOpError(
                f'the ONNX value "{name}" has element type {kinds.get(elem_type, elem_type)}.'
                " Export a float32 network"
            )
        return _INTEGERS[elem_type]

    def add_constant(self, name: str, array: Array, source: str, elem_type: int) -> None:
        """Notes a constant that does not depend on the batch."""
        trials = len(self.batches)
        self.known[name] = Known((array,) * trials, source)
        self.infos[name] = Info(elem_type, (tuple(array.shape),) * trials)
