"""The TFLite model under construction: which tensor holds each value of a Program."""

from collections.abc import Callable, Sequence

import numpy as np

from intact.emit.tflite.schema import (
    BuiltinOperator,
    Options,
    Quantization,
    TensorType,
)
from intact.emit.tflite.values import BATCH, check_zero_point, quantization, sizes, tensor_type
from intact.emit.tflite.versions import operator_version
from intact.emit.tflite.writer import Writer
from intact.ir.graph import Node, Shape, Value, with_batch
from intact.ir.int_ops import IntOp, Program
from intact.numerics.arrays import Array, IntArray


class Ledger:
    """Tensors by the names of values, and what operators need around them."""

    def __init__(self, program: Program) -> None:
        """Starts with the inputs; their names, and those of all nodes, belong to the Program."""
        self.program = program
        self.writer = Writer()
        for value in (*program.inputs, *(node.output for node in program.nodes)):
            self.writer.names.add(value.name)  # other tensors get a number behind it
        self._tensors: dict[str, list[int]] = {}  # the same elements in several shapes
        self.images: dict[str, Value] = {}  # (N, H, W, C), of values with channels first
        self.stored: dict[str, Node[IntOp]] = {}  # `Dequantize` of constants, by name
        self.when_read: dict[str, Callable[[], int]] = {}  # tensors that are made then
        for value in program.inputs:
            self.write(value)

    # --- tensors -------------------------------------------------------------------------------

    def write(self, value: Value, shape: Shape | None = None) -> int:
        """The tensor of an input or of a node's output, before the node is emitted.

        `shape` where an operator writes the elements in another one.
        """
        check_zero_point(value)
        index = self.writer.tensor(
            value.name,
            sizes(value) if shape is None else with_batch(shape, BATCH),
            tensor_type(value.name, value.dtype),
            quantization(value.params),
            reserved=True,
        )
        self._tensors[value.name] = [index]
        return index

    def read(self, value: Value) -> int:
        """The tensor that holds a value; a constant is written as it is stored."""
        return self.read_as(value, value.shape)

    def read_as(self, value: Value, shape: Shape) -> int:
        """The same elements in another shape."""
        if value.name not in self._tensors:
            self._hold(value)
        tensors = self._tensors[value.name]
        wanted = with_batch(shape, BATCH)
        for index in tensors:
            if self.writer.tensors[index].shape == wanted:
                return index
        target = self.temporary(f"{value.name}/reshaped", wanted, value)
        tensors.append(self.reshape(tensors[0], target, shape))
        return target

    def _hold(self, value: Value) -> None:
        """Makes the tensor of a constant, of stored weights, or of what only an image holds."""
        if value.name in self.when_read:
            self._tensors[value.name] = [self.when_read[value.name]()]
            return
        if value.name in self.images:
            self._from_image(value, self.images[value.name])
            return
        check_zero_point(value)
        array = self.program.constants[value.name]
        kind = tensor_type(value.name, value.dtype)
        index = self.constant(value.name, array, kind, quantization(value.params))
        self._tensors[value.name] = [index]

    def _from_image(self, value: Value, image: Value) -> None:
        rank = len(value.shape)
        batch, channels, *space = value.shape
        source = self.read_as(image, (batch, *space, channels))
        self.transpose(source, (0, rank - 1, *range(1, rank - 1)), self.write(value))

    def holds(self, value: Value) -> bool:
        """Whether a tensor holds the value as the Program stores it."""
        return value.name in self._tensors

    def share(self, value: Value, source: Value) -> None:
        """The value is the codes of `source`, whatever its shape."""
        if value.params != source.params:
            self.relabel(value, source)
            return
        self.read(source)
        self._tensors[value.name] = self._tensors[source.name]

    def relabel(self, value: Value, source: Value) -> None:
        """The codes of `source` with the meaning that they have in `value`."""
        if value.params == source.params:
            self.share(value, source)
            return
        self.reshape(self.read(source), self.write(value), value.shape)

    def rescaled(self, value: Value, scale: np.float32) -> int:
        """The value's codes under another scale: a RESHAPE to the same shape, if it is another."""
        source = self.read(value)
        tensor = self.writer.tensors[source]
        if tensor.quantization is None or tensor.quantization.scale[0] == scale:
            return source
        meaning = Quantization(np.asarray([scale]), tensor.quantization.zero_point)
        name = f"{value.name}/rescaled"
        target = self.writer.tensor(name, tensor.shape, tensor.type, meaning)
        return self.reshape(source, target, value.shape)

    def temporary(self, name: str, shape: Shape, like: Value) -> int:
        """A tensor between the operators of one node, with the codes' meaning of `like`."""
        kind = tensor_type(like.name, like.dtype)
        return self.writer.tensor(name, shape, kind, quantization(like.params))

    def constant(
        self,
        name: str,
        array: Array,
        kind: int,
        meaning: Quantization | None = None,
        shape: Shape | None = None,
    ) -> int:
        """A constant tensor; `shape` where the array is packed."""
        own = array.shape if shape is None else shape
        return self.writer.tensor(name, own, kind, meaning, np.ascontiguousarray(array).tobytes())

    def codes(self, name: str, integers: IntArray, bits: int, meaning: Quantization) -> int:
        """A constant of int8 codes, or of int4 ones in half bytes where `bits` are at most 4."""
        if bits > 4:
            return self.constant(name, integers.astype(np.int8), TensorType.INT8, meaning)
        flat = np.pad(integers.astype(np.uint8).ravel() & 15, (0, integers.size % 2))
        packed = flat[::2] | flat[1::2] << 4  # the first in the low half
        return self.constant(name, packed, TensorType.INT4, meaning, integers.shape)

    def integers(self, numbers: Sequence[int] | IntArray, name: str) -> int:
        """A constant of int32: shapes, axes, paddings."""
        return self.constant(name, np.asarray(numbers, np.int32), TensorType.INT32)

    # --- operators -----------------------------------------------------------------------------

    def emit(
        self, code: int, inputs: Sequence[int], output: int, options: Options | None = None
    ) -> int:
        """Appends an operator in the version that its inputs need; returns what it writes."""
        first = [self.writer.tensors[index] for index in inputs]
        version = operator_version(code, first, options)
        return self.writer.operator(code, version, inputs, output, options)

    def reshape(self, source: int, output: int, shape: Shape) -> int:
        """RESHAPE to a shape in which one dimension may depend on the batch size."""
        unknown = [dim for dim in shape if dim < 0]
        target = [-1 if dim < 0 and len(unknown) == 1 else abs(dim) for dim in shape]
        name = f"{self.writer.tensors[output].name}/shape"
        return self.emit(
            BuiltinOperator.RESHAPE,
            [source, self.integers(target, name)],
            output,
            Options("ReshapeOptions"),
        )

    def transpose(self, source: int, axes: Sequence[int], output: int) -> int:
        """TRANSPOSE: axis i of the output is axis axes[i] of the source."""
        order = self.integers(axes, f"{self.writer.tensors[output].name}/axes")
        options = Options("TransposeOptions")
        return self.emit(BuiltinOperator.TRANSPOSE, [source, order], output, options)
