"""The Program under construction: tensors of the file as values, constants and known arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from intact.capture.tflite.declared import (
    ACTIVATIONS,
    WAY_OUT,
    activation_params,
    constant_numbers,
    readable,
)
from intact.capture.tflite.file import Network, Operator, Options, Tensor
from intact.errors import FormatError, UnsupportedOpError
from intact.ir import float_ops as ops
from intact.ir.attributes import MAX_RANK
from intact.ir.boundary import between
from intact.ir.graph import Graph, Node, Shape, Value, with_batch
from intact.ir.int_ops import Dequantize, IntOp, Program, Quantize
from intact.ir.shapes import output_shape
from intact.numerics.arrays import Array, Codes
from intact.numerics.formats import FP32, Format
from intact.numerics.qtensor import QuantParams

_COPIES = 64  # bytes of numbers that are unpacked for each byte of the file
_READS = 256  # numbers that operators read for each byte of the file: parameters may be shared
_MOST_NODES = 1 << 18  # an operator may become many: a GATHER is a slice for each of its rows


@dataclass(frozen=True, slots=True)
class Index:
    """Codes as the integers code + offset, which look something up."""

    codes: Value
    params: QuantParams
    offset: int


class Builder:
    """What is known about each tensor of the file, by its index."""

    def __init__(self, network: Network) -> None:
        """Quantizes the inputs; nothing else is computed yet."""
        self.network = network
        self._nodes: list[Node[IntOp]] = []
        self.constants: dict[str, Array] = {}
        self._values: dict[int, Value] = {}
        self._arrays: dict[int, Array] = {}
        self._indices: dict[int, Index] = {}
        self._parameters: dict[tuple[int, Format, Shape], Value] = {}
        self._copied = self._read = 0
        self._taken: dict[str, int] = {}  # how often each name was asked for
        self._names: dict[int, str] = {}
        self._real_outputs: dict[int, Value] = {}
        self._ends = {*network.inputs, *network.outputs}
        self._written = set(network.inputs)
        computed = (i for operator in network.operators for i in operator.outputs)
        for index in (*network.inputs, *network.outputs, *computed):
            self.name(index)  # before any constant, whose first name is often a layer's
        self.inputs = tuple(self._input(i) for i in dict.fromkeys(network.inputs))

    # --- what the file says ------------------------------------------------------------------

    def tensor(self, index: int) -> Tensor:
        """The declaration of a tensor."""
        return self.network.tensors[index]

    def name(self, index: int) -> str:
        """What a tensor is called: the first of the names that a converter joined, unique."""
        if index not in self._names:
            self._names[index] = self._unique(readable(self.tensor(index).name))
        return self._names[index]

    def title(self, operator: Operator) -> str:
        """What messages call an operator."""
        return f'{operator.code} "{self.name(operator.outputs[0])}"'

    def input(self, operator: Operator, position: int) -> int:
        """The index of an input that must be there."""
        index = operator.inputs[position] if position < len(operator.inputs) else -1
        if index < 0:
            raise FormatError(f"{self.title(operator)} has no input {position}")
        return index

    def has_input(self, operator: Operator, position: int) -> bool:
        """Whether an optional input is there."""
        return position < len(operator.inputs) and operator.inputs[position] >= 0

    def options(self, operator: Operator, kind: str) -> Options:
        """The operator's attributes, which must be of this class."""
        if operator.options is None or operator.options.kind != kind:
            raise FormatError(f"{self.title(operator)} has no {kind}")
        return operator.options

    def params(self, index: int) -> QuantParams:
        """What the codes of an activation mean."""
        return activation_params(self.tensor(index))

    def array(self, index: int) -> Array | None:
        """The numbers of a constant, or of a tensor that constants decide; None for others."""
        tensor = self.tensor(index)
        if index not in self._arrays and tensor.data is not None:
            self._arrays[index] = array = constant_numbers(tensor)
            self._copied += array.nbytes
            if self._copied > _COPIES * self.network.size:
                raise FormatError("is damaged: its constants overlap")
        return self._arrays.get(index)

    def constant_array(self, operator: Operator, position: int) -> Array:
        """The numbers of an input that must be known before the network runs."""
        index = self.input(operator, position)
        array = self.array(index)
        if array is None:
            raise UnsupportedOpError(
                f"{self.title(operator)} computes its input"
                f' "{self.name(index)}", which intact must know in advance;'
                " convert the network with fixed shapes"
            )
        self._read += array.size
        if self._read > _READS * self.network.size:
            raise FormatError("is damaged: its operators share their parameters")
        return array

    def integers(self, operator: Operator, position: int) -> list[int]:
        """A short list of axes, sizes or indices."""
        array = self.constant_array(operator, position)
        if array.dtype.kind not in "iu" or array.size > 1 << 16:
            raise FormatError(f"{self.title(operator)} has no list of integers at {position}")
        return [int(n) for n in array.reshape(-1)]

    def shape(self, operator: Operator, position: int) -> Shape:
        """The shape of an input, of one sample."""
        index = self.input(operator, position)
        if index in self._values:
            return with_batch(self._values[index].shape, 1)
        array = self.array(index)
        if array is None:
            raise FormatError(
                f'{self.title(operator)} reads "{self.name(index)}" before it is computed'
            )
        return array.shape

    def know(self, index: int, array: Array) -> None:
        """Records the numbers of a tensor that constants decide."""
        self._write(index)
        self._arrays[index] = array

    def index(self, operator: Operator, position: int) -> Index | None:
        """The input as an index; None if it is none."""
        return self._indices.get(self.input(operator, position))

    def know_index(self, tensor: int, index: Index) -> None:
        """Records that a tensor is an index."""
        self._write(tensor)
        self._indices[tensor] = index

    # --- values ------------------------------------------------------------------------------

    def codes(self, operator: Operator, position: int) -> Value:
        """The codes of an input."""
        index = self.input(operator, position)
        tensor = self.tensor(index)
        if tensor.type not in ACTIVATIONS:
            raise UnsupportedOpError(
                f'{self.title(operator)} reads {tensor.type} "{self.name(index)}",'
                f" where intact needs codes of 8 or 16 bits. {WAY_OUT}"
            )
        params = self.params(index)
        if index in self._values:
            return self._values[index]
        array = self.array(index)
        if array is None:
            raise FormatError(
                f'{self.title(operator)} reads "{self.name(index)}" before it is computed'
            )
        value = self._constant(self.name(index), array, params.format, params)
        self._values[index] = value
        return value

    def real(self, operator: Operator, position: int) -> Value:
        """The real numbers of an input."""
        index = self.input(operator, position)
        tensor = self.tensor(index)
        if tensor.type != "FLOAT32" or index not in self._values:
            raise UnsupportedOpError(
                f'{self.title(operator)} reads {tensor.type} "{self.name(index)}", where'
                " intact needs real numbers that the network computes"
            )
        return self._values[index]

    def constant(
        self, name: str, array: Codes, format: Format, params: QuantParams | None = None
    ) -> Value:
        """A constant that the file does not have."""
        return self._constant(self._unique(name), array, format, params)

    def parameter(
        self, index: int, array: Codes, format: Format, params: QuantParams | None = None
    ) -> Value:
        """A constant of the file as a layer reads it; those who read it alike share it."""
        known = self._parameters.get((index, format, array.shape))
        if known is None:
            name = self._unique(readable(self.tensor(index).name))
            known = self._constant(name, array, format, params)
            self._parameters[index, format, array.shape] = known
        return known

    def _constant(
        self, name: str, array: Codes, format: Format, params: QuantParams | None
    ) -> Value:
        stored = np.ascontiguousarray(array, format.storage).reshape(array.shape)
        self.constants[name] = stored
        return Value(name, stored.shape, format, params)

    def emit(
        self, operator: Operator, op: IntOp, inputs: Sequence[Value], position: int = 0
    ) -> Value:
        """Appends the node that writes an output of the operator.

        Raises:
            FormatError: if the shapes are not those that the file declares.
            UnsupportedOpError: if the operation works along the batch.
        """
        index = operator.outputs[position]
        self._write(index)
        tensor = self.tensor(index)
        shape = self.output_shape(operator, op, inputs)
        if tensor.shape and with_batch(shape, 1) != tensor.shape:
            raise FormatError(
                f"{self.title(operator)} gives shape {with_batch(shape, 1)}, but the file"
                f" declares {tensor.shape}"
            )
        if isinstance(op, Dequantize):
            value = Value(self.name(index), shape, FP32)
        else:
            params = self.params(index)
            name = self.name(index)
            # The plain name of an output is for the real numbers that the user receives.
            own = self._unique(f"{name}.codes") if index in self._ends else name
            value = Value(own, shape, params.format, params)
        self._values[index] = value
        self._append(op, inputs, value)
        return value

    def _append(self, op: IntOp, inputs: Sequence[Value], output: Value) -> None:
        if len(self._nodes) == _MOST_NODES:
            raise FormatError(f"holds more than {_MOST_NODES} operations")
        self._nodes.append(Node(op, tuple(inputs), output))

    def between(
        self,
        operator: Operator,
        op: IntOp,
        inputs: Sequence[Value],
        params: QuantParams | None,
        suffix: str,
    ) -> Value:
        """Appends a node whose output the file does not have."""
        name = f"{self.name(operator.outputs[0])}.{suffix}"
        shape = self.output_shape(operator, op, inputs)
        dtype = inputs[0].dtype if params is None else params.format
        value = Value(self._unique(name), shape, dtype, params)
        self._append(op, inputs, value)
        return value

    def output_shape(self, operator: Operator, op: IntOp, inputs: Sequence[Value]) -> Shape:
        """The shape of an operation's output, of one sample a file's and of many."""
        shapes = [value.shape for value in inputs]
        try:
            single = output_shape(_at_one(op), [with_batch(shape, 1) for shape in shapes])
        except ValueError as error:
            raise FormatError(f"{self.title(operator)} does not fit its inputs: {error}") from None
        if len(single) > MAX_RANK:
            raise FormatError(f"{self.title(operator)} makes {len(single)} axes")
        try:
            return output_shape(op, shapes)
        except ValueError as error:
            raise UnsupportedOpError(
                f"{self.title(operator)} works along the first axis, which intact takes for the"
                f" batch: {error}"
            ) from None

    # --- the ends ----------------------------------------------------------------------------

    def program(self) -> Program:
        """The finished Program, without what no output needs."""
        outputs = tuple(self._output(i) for i in self.network.outputs)
        whole = Graph(self.inputs, outputs, tuple(self._nodes), self.constants)
        return between(whole, self.inputs, outputs)

    def _input(self, index: int) -> Value:
        """The user's real numbers; their codes, where the file takes codes."""
        tensor = self.tensor(index)
        name = self.name(index)
        if tensor.shape[:1] != (1,):
            raise UnsupportedOpError(
                f'input "{name}" has shape {tensor.shape}; intact takes the first axis for the'
                " batch, of size 1 in the file. Convert the network with batch size 1"
            )
        if min(tensor.shape) < 1:
            raise FormatError(f'input "{name}" has shape {tensor.shape}')
        real = Value(name, (-1, *tensor.shape[1:]), FP32)
        self._values[index] = real
        if tensor.type == "FLOAT32":
            return real
        params = self.params(index)
        codes = Value(self._unique(f"{name}.codes"), real.shape, params.format, params)
        self._nodes.append(Node(Quantize(params), (real,), codes))
        self._values[index] = codes
        return real

    def _output(self, index: int) -> Value:
        value = self._values.get(index)
        if value is None or value.name in self.constants:
            raise UnsupportedOpError(f'output "{self.name(index)}" does not depend on the input')
        if value.dtype == FP32:
            return value
        if index not in self._real_outputs:
            name = self.name(index)
            own = self._unique(f"{name}.real") if index in self.network.inputs else name
            real = Value(own, value.shape, FP32)
            self._nodes.append(Node(Dequantize(self.params(index)), (value,), real))
            self._real_outputs[index] = real
        return self._real_outputs[index]

    def _write(self, index: int) -> None:
        if index in self._written or self.tensor(index).data is not None:
            raise FormatError(f'"{self.name(index)}" is written twice')
        self._written.add(index)

    def _unique(self, name: str) -> str:
        """As `free_name`, in constant time: a damaged file may repeat a name very often."""
        free = name
        while free in self._taken:
            self._taken[name] += 1
            free = f"{name}.{self._taken[name]}"
        self._taken[free] = 0
        return free


def _at_one(op: IntOp) -> IntOp:
    """The operation at batch size 1."""
    if isinstance(op, ops.Reshape | ops.Expand):
        return replace(op, shape=with_batch(op.shape, 1))
    return op
