"""Collects tensors and operators, and writes them as one flatbuffer."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import flatbuffers
import numpy as np
import tflite

from intact.emit.tflite.schema import Options, Quantization
from intact.errors import FormatError
from intact.ir.graph import Shape, free_name

SCHEMA_VERSION = 3
IDENTIFIER = b"TFL3"
ALIGNMENT = 16  # of each buffer's data, so that kernels may load vectors from the file
MAX_BYTES = 2**31 - 2**20  # offsets have 31 bits; room for the tables
PLACEHOLDER = 127  # stands in a byte for operators of larger numbers


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of the file."""

    name: str
    shape: Shape
    type: int  # of TensorType
    quantization: Quantization | None
    buffer: int  # 0: no data, an activation


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator of the file; inputs and outputs are numbers of tensors."""

    code: int  # of BuiltinOperator
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Options | None


class Writer:
    """The model under construction."""

    def __init__(self, limit: int = MAX_BYTES) -> None:
        """Starts with nothing but the empty buffer that activations have."""
        self.limit = limit  # bytes of constants
        self.tensors: list[Tensor] = []
        self.operators: list[Operator] = []
        self._buffers: list[bytes] = [b""]
        self._known: dict[bytes, int] = {}  # buffers by content
        self.names: set[str] = set()
        self._bytes = 0

    def tensor(
        self,
        name: str,
        shape: Shape,
        type: int,  # noqa: A002  # the schema's word
        quantization: Quantization | None = None,
        data: bytes | None = None,
        *,
        reserved: bool = False,
    ) -> int:
        """Adds a tensor, constant if it has data; returns its number."""
        own = name if reserved else free_name(name, self.names)
        self.names.add(own)
        buffer = 0 if data is None else self._buffer(data, own)
        self.tensors.append(Tensor(own, shape, type, quantization, buffer))
        return len(self.tensors) - 1

    def _buffer(self, data: bytes, name: str) -> int:
        key = sha256(data).digest()
        if key not in self._known:
            self._bytes += len(data)
            if self._bytes > self.limit:
                raise FormatError(
                    f'the weights up to "{name}" need more than 2 GB, the limit of one TFLite file;'
                    " quantize to fewer bits or export the network in parts"
                )
            self._known[key] = len(self._buffers)
            self._buffers.append(data)
        return self._known[key]

    def operator(
        self,
        code: int,
        version: int,
        inputs: Sequence[int],
        output: int,
        options: Options | None = None,
    ) -> int:
        """Appends an operator, and returns the tensor that it writes."""
        self.operators.append(Operator(code, version, tuple(inputs), (output,), options))
        return output

    def finish(
        self,
        inputs: Sequence[tuple[str, int]],
        outputs: Sequence[tuple[str, int]],
        description: str,
    ) -> bytes:
        """The file: one subgraph, whose signature names inputs and outputs as the user does."""
        builder = flatbuffers.Builder(1 << 16)
        # Flatbuffers are built back to front: what is written last stands first.
        buffers = _offsets(builder, [_buffer_table(builder, data) for data in self._buffers])
        subgraph = _offsets(builder, [self._subgraph(builder, inputs, outputs)])
        codes = _offsets(builder, [_code_table(builder, *key) for key in self._codes()])
        signatures = _offsets(builder, [_signature(builder, inputs, outputs)])
        text = builder.CreateString(description)
        tflite.ModelStart(builder)
        tflite.ModelAddVersion(builder, SCHEMA_VERSION)
        tflite.ModelAddOperatorCodes(builder, codes)
        tflite.ModelAddSubgraphs(builder, subgraph)
        tflite.ModelAddDescription(builder, text)
        tflite.ModelAddBuffers(builder, buffers)
        tflite.ModelAddSignatureDefs(builder, signatures)
        builder.Finish(tflite.ModelEnd(builder), file_identifier=IDENTIFIER)
        return bytes(builder.Output())

    def _codes(self) -> list[tuple[int, int]]:
        """(operator, version) pairs in the order of their first use."""
        return list(dict.fromkeys((op.code, op.version) for op in self.operators))

    def _subgraph(
        self,
        builder: flatbuffers.Builder,
        inputs: Sequence[tuple[str, int]],
        outputs: Sequence[tuple[str, int]],
    ) -> int:
        numbers = {key: index for index, key in enumerate(self._codes())}
        tensors = _offsets(builder, [_tensor_table(builder, t) for t in self.tensors])
        operators = _offsets(
            builder,
            [_operator_table(builder, op, numbers[op.code, op.version]) for op in self.operators],
        )
        read = _integers(builder, [index for _, index in inputs])
        written = _integers(builder, [index for _, index in outputs])
        name = builder.CreateString("main")
        tflite.SubGraphStart(builder)
        tflite.SubGraphAddTensors(builder, tensors)
        tflite.SubGraphAddInputs(builder, read)
        tflite.SubGraphAddOutputs(builder, written)
        tflite.SubGraphAddOperators(builder, operators)
        tflite.SubGraphAddName(builder, name)
        return int(tflite.SubGraphEnd(builder))


def _offsets(builder: flatbuffers.Builder, tables: Sequence[int]) -> int:
    """A vector of tables that are written already."""
    builder.StartVector(4, len(tables), 4)
    for table in reversed(tables):
        builder.PrependUOffsetTRelative(table)
    return int(builder.EndVector())


def _integers(builder: flatbuffers.Builder, numbers: Sequence[int]) -> int:
    return int(builder.CreateNumpyVector(np.asarray(numbers, np.int32)))


def _buffer_table(builder: flatbuffers.Builder, data: bytes) -> int:
    vector = None
    if data:
        builder.StartVector(1, len(data), ALIGNMENT)
        start = builder.Head() - len(data)
        builder.head = start
        builder.Bytes[start : start + len(data)] = data
        vector = builder.EndVector()
    tflite.BufferStart(builder)
    if vector is not None:
        tflite.BufferAddData(builder, vector)
    return int(tflite.BufferEnd(builder))


def _code_table(builder: flatbuffers.Builder, code: int, version: int) -> int:
    tflite.OperatorCodeStart(builder)
    tflite.OperatorCodeAddDeprecatedBuiltinCode(builder, min(code, PLACEHOLDER))
    tflite.OperatorCodeAddBuiltinCode(builder, code)
    tflite.OperatorCodeAddVersion(builder, version)
    return int(tflite.OperatorCodeEnd(builder))


def _tensor_table(builder: flatbuffers.Builder, tensor: Tensor) -> int:
    name = builder.CreateString(tensor.name)
    shape = _integers(builder, tensor.shape)
    quantization = _quantization_table(builder, tensor.quantization)
    tflite.TensorStart(builder)
    tflite.TensorAddShape(builder, shape)
    tflite.TensorAddType(builder, tensor.type)
    tflite.TensorAddBuffer(builder, tensor.buffer)
    tflite.TensorAddName(builder, name)
    if quantization is not None:
        tflite.TensorAddQuantization(builder, quantization)
    tflite.TensorAddHasRank(builder, True)
    return int(tflite.TensorEnd(builder))


def _quantization_table(
    builder: flatbuffers.Builder, quantization: Quantization | None
) -> int | None:
    if quantization is None:
        return None
    scale = builder.CreateNumpyVector(np.asarray(quantization.scale, np.float32))
    zero_point = builder.CreateNumpyVector(np.asarray(quantization.zero_point, np.int64))
    tflite.QuantizationParametersStart(builder)
    tflite.QuantizationParametersAddScale(builder, scale)
    tflite.QuantizationParametersAddZeroPoint(builder, zero_point)
    tflite.QuantizationParametersAddQuantizedDimension(builder, quantization.axis)
    return int(tflite.QuantizationParametersEnd(builder))


def _operator_table(builder: flatbuffers.Builder, operator: Operator, code: int) -> int:
    inputs = _integers(builder, operator.inputs)
    outputs = _integers(builder, operator.outputs)
    options = None if operator.options is None else operator.options.write(builder)
    tflite.OperatorStart(builder)
    tflite.OperatorAddOpcodeIndex(builder, code)
    tflite.OperatorAddInputs(builder, inputs)
    tflite.OperatorAddOutputs(builder, outputs)
    if operator.options is not None:
        tflite.OperatorAddBuiltinOptionsType(builder, operator.options.union_type)
        tflite.OperatorAddBuiltinOptions(builder, options)
    return int(tflite.OperatorEnd(builder))


def _signature(
    builder: flatbuffers.Builder,
    inputs: Sequence[tuple[str, int]],
    outputs: Sequence[tuple[str, int]],
) -> int:
    read = _offsets(builder, [_tensor_map(builder, *entry) for entry in inputs])
    written = _offsets(builder, [_tensor_map(builder, *entry) for entry in outputs])
    key = builder.CreateString("serving_default")
    tflite.SignatureDefStart(builder)
    tflite.SignatureDefAddInputs(builder, read)
    tflite.SignatureDefAddOutputs(builder, written)
    tflite.SignatureDefAddSignatureKey(builder, key)
    tflite.SignatureDefAddSubgraphIndex(builder, 0)
    return int(tflite.SignatureDefEnd(builder))


def _tensor_map(builder: flatbuffers.Builder, name: str, index: int) -> int:
    text = builder.CreateString(name)
    tflite.TensorMapStart(builder)
    tflite.TensorMapAddName(builder, text)
    tflite.TensorMapAddTensorIndex(builder, index)
    return int(tflite.TensorMapEnd(builder))
