"""The bytes of a .tflite file as plain data, every offset, index and size checked.

A flatbuffer is read by following offsets that the file itself states. Python's reader stays inside
of the buffer, but reads garbage gladly and for ever; so vectors are counted against the size of the
file before they are walked, and whatever the reader trips over is a `FormatError`.
"""

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import tflite

from intact.errors import FormatError, UnsupportedOpError
from intact.ir.attributes import MAX_RANK
from intact.ir.packing import Bytes
from intact.numerics.arrays import F32
from intact.numerics.fixedpoint import Int64Array

VERSION = 3
_IDENTIFIER = slice(4, 8)
_SMALLEST = 16  # bytes: the offset of the root, the identifier, a table
_MOST = 100_000  # tensors, operators, buffers
_MOST_ENDS = 1000  # named inputs, named outputs
_READS = 8  # bytes that may be read for each byte of the file: vectors are rarely shared
OPERATORS: dict[int, str] = {
    code: name for name, code in vars(tflite.BuiltinOperator).items() if isinstance(code, int)
}
_OPTIONS: dict[int, str] = {
    code: name for name, code in vars(tflite.BuiltinOptions).items() if isinstance(code, int)
}
TYPES = {code: name for name, code in vars(tflite.TensorType).items() if isinstance(code, int)}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Scales:
    """real = scale * (code - zero_point): one entry, or one for each index along `axis`."""

    scale: F32
    zero_point: Int64Array  # shape of scale
    axis: int


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor as the file declares it."""

    name: str
    shape: tuple[int, ...]
    type: str  # the schema's name: INT8
    scales: Scales | None
    data: Bytes | None  # None: computed


@dataclass(frozen=True, slots=True)
class Options:
    """The attributes of an operator, by the schema's names."""

    table: object
    kind: str

    def integer(self, name: str) -> int:
        """An integer, a boolean or a member of an enumeration."""
        return int(self._field(name))

    def real(self, name: str) -> float:
        """A number."""
        return float(self._field(name))

    def integers(self, name: str) -> list[int]:
        """A vector with an entry for each axis; empty if it is absent."""
        with reading():
            numbers = np.atleast_1d(getattr(self.table, f"{name}AsNumpy")())
        if numbers.size > MAX_RANK:
            raise FormatError(f"has {numbers.size} entries in {name}, at most {MAX_RANK}")
        return [int(n) for n in numbers]

    def _field(self, name: str) -> float:
        with reading():
            number: float = getattr(self.table, name)()
            return number


@dataclass(frozen=True, slots=True)
class Operator:
    """One operation of the file; an absent input has index -1."""

    code: str  # the schema's name: CONV_2D; custom operators have their own
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Options | None


@dataclass(frozen=True, slots=True)
class Network:
    """The main subgraph: operators in the order in which they run."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    size: int  # of the file, in bytes


@contextmanager
def reading() -> Iterator[None]:
    """Turns what flatbuffers raises on broken offsets into a FormatError."""
    try:
        yield
    except (struct.error, ValueError, IndexError, TypeError, OverflowError) as e:
        raise FormatError(f"is damaged or truncated: {e}") from None


def read_network(path: Path) -> Network:
    """The network in a .tflite file.

    Raises:
        FormatError: if the file is not TFLite, or is damaged; the message lacks the path.
        UnsupportedOpError: if it holds state or sparse weights.
        OSError: if it cannot be read.
    """
    data = path.read_bytes()
    if data[_IDENTIFIER] != b"TFL3" or len(data) < _SMALLEST:
        raise FormatError("is not a TFLite file")
    with reading():
        return _Reader(data).network()


class _Reader:
    """Walks the tables of one file, and counts what it reads."""

    def __init__(self, data: bytes) -> None:
        self._data = np.frombuffer(data, np.uint8)
        self._left = _READS * len(data)
        self._model = tflite.Model.GetRootAs(data, 0)

    def network(self) -> Network:
        model = self._model
        if model.Version() != VERSION:
            raise FormatError(f"has schema version {model.Version()}, expected {VERSION}")
        if model.SubgraphsLength() == 0:
            raise FormatError("holds no network")
        graph = model.Subgraphs(0)
        tensors = self._all(graph.TensorsLength(), lambda i: self._tensor(graph.Tensors(i)))
        codes = self._all(model.OperatorCodesLength(), lambda i: self._code(model.OperatorCodes(i)))
        operators = self._all(
            graph.OperatorsLength(), lambda i: self._operator(graph.Operators(i), codes)
        )
        network = Network(
            self._with_signature(tensors),
            operators,
            self._indices(graph.InputsAsNumpy()),
            self._indices(graph.OutputsAsNumpy()),
            self._data.size,
        )
        _check_indices(network)
        return network

    def _with_signature(self, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Inputs and outputs by the names that a user calls them with, where there is one set."""
        model = self._model
        if model.SignatureDefsLength() != 1 or model.SignatureDefs(0).SubgraphIndex() != 0:
            return tensors
        signature, named = model.SignatureDefs(0), dict(enumerate(tensors))
        maps = [signature.Inputs(i) for i in range(min(signature.InputsLength(), _MOST_ENDS))]
        maps += [signature.Outputs(i) for i in range(min(signature.OutputsLength(), _MOST_ENDS))]
        for entry in maps:
            index = entry.TensorIndex()
            if index not in named:
                raise FormatError(f"its signature names tensor {index} of {len(tensors)}")
            named[index] = replace(named[index], name=self._text(entry.Name()))
        return tuple(named.values())

    def _all(self, count: int, read: Callable[[int], T]) -> tuple[T, ...]:
        if count > _MOST:
            raise FormatError(f"declares {count} tables of a kind, at most {_MOST}")
        return tuple(read(i) for i in range(count))

    def _spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise FormatError("is damaged: its parts overlap")

    def _vector(self, numbers: np.ndarray | int) -> np.ndarray:
        """A vector of the file; flatbuffers gives 0 for an absent one."""
        if isinstance(numbers, int):
            return np.empty(0, np.int32)
        self._spend(numbers.nbytes)
        return numbers

    def _indices(self, numbers: np.ndarray | int) -> tuple[int, ...]:
        return tuple(int(n) for n in self._vector(numbers))

    def _text(self, text: bytes | None) -> str:
        if text is None:
            return ""
        self._spend(len(text))
        return text.decode("utf-8", errors="replace")

    def _code(self, code: tflite.OperatorCode) -> str:
        # Old files have the code in a byte, new ones in a number that the byte cannot hold.
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        if number == tflite.BuiltinOperator.CUSTOM:
            return self._text(code.CustomCode()) or "CUSTOM"
        return OPERATORS.get(number, f"operator {number}")

    def _tensor(self, tensor: tflite.Tensor) -> Tensor:
        name = self._text(tensor.Name())
        shape = self._vector(tensor.ShapeAsNumpy())
        if len(shape) > MAX_RANK:
            raise FormatError(f'tensor "{name}" has {len(shape)} axes, at most {MAX_RANK}')
        if tensor.Sparsity() is not None:
            raise UnsupportedOpError(f'tensor "{name}" is sparse; convert with dense weights')
        if tensor.IsVariable():
            raise UnsupportedOpError(
                f'tensor "{name}" keeps its state between calls; intact reads networks without'
                " state"
            )
        kind = tensor.Type()
        return Tensor(
            name,
            tuple(int(n) for n in shape),
            TYPES.get(kind, f"type {kind}"),
            self._scales(tensor.Quantization()),
            self._buffer(tensor.Buffer()),
        )

    def _scales(self, quantization: tflite.QuantizationParameters | None) -> Scales | None:
        if quantization is None or quantization.ScaleLength() == 0:
            return None
        scale = self._vector(quantization.ScaleAsNumpy()).astype(np.float32)
        zero_point = self._vector(quantization.ZeroPointAsNumpy()).astype(np.int64)
        if not len(zero_point):
            zero_point = np.zeros(len(scale), np.int64)
        if len(zero_point) == 1:
            zero_point = np.repeat(zero_point, len(scale))
        if len(zero_point) != len(scale):
            raise FormatError(f"has {len(zero_point)} zero points for {len(scale)} scales")
        return Scales(scale, zero_point, quantization.QuantizedDimension())

    def _buffer(self, index: int) -> Bytes | None:
        """The bytes of a constant; buffer 0, and every empty one, belongs to a computed tensor."""
        if not 0 <= index < self._model.BuffersLength():
            raise FormatError(f"a tensor lies in buffer {index}, which does not exist")
        buffer = self._model.Buffers(index)
        if buffer.Offset() > 1:  # behind the flatbuffer, in files of more than 2 GB
            end = buffer.Offset() + buffer.Size()
            if end > self._data.size:
                raise FormatError(f"is truncated: buffer {index} ends at {end}")
            return self._data[buffer.Offset() : end]
        data = buffer.DataAsNumpy()
        return None if isinstance(data, int) or not data.size else data

    def _operator(self, operator: tflite.Operator, codes: tuple[str, ...]) -> Operator:
        index = operator.OpcodeIndex()
        if not 0 <= index < len(codes):
            raise FormatError(f"an operator has code {index} of {len(codes)}")
        return Operator(
            codes[index],
            self._indices(operator.InputsAsNumpy()),
            self._indices(operator.OutputsAsNumpy()),
            _options(operator),
        )


def _options(operator: tflite.Operator) -> Options | None:
    """The table that the file declares, of the class that the schema gives it."""
    kind = _OPTIONS.get(operator.BuiltinOptionsType(), "NONE")
    union = operator.BuiltinOptions()
    if kind == "NONE" or union is None:
        return None
    table = getattr(tflite, kind)()
    table.Init(union.Bytes, union.Pos)
    return Options(table, kind)


def _check_indices(network: Network) -> None:
    count = len(network.tensors)
    required = [*network.inputs, *network.outputs]
    required += [i for operator in network.operators for i in operator.outputs]
    optional = [i for operator in network.operators for i in operator.inputs]
    if any(not 0 <= i < count for i in required) or any(not -1 <= i < count for i in optional):
        raise FormatError(f"names a tensor that is not one of its {count}")
    if not network.inputs or not network.outputs:
        raise FormatError("holds a network without inputs or outputs")
