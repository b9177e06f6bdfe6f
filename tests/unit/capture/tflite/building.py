"""Makes small .tflite files, operator by operator."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import flatbuffers
import numpy as np
import tflite

from intact.numerics.arrays import Array

TYPES = {
    "float32": tflite.TensorType.FLOAT32,
    "int4": tflite.TensorType.INT4,
    "int8": tflite.TensorType.INT8,
    "uint8": tflite.TensorType.UINT8,
    "int16": tflite.TensorType.INT16,
    "int32": tflite.TensorType.INT32,
    "int64": tflite.TensorType.INT64,
}


@dataclass
class _Tensor:
    name: str
    shape: Sequence[int]
    type: str
    scale: Sequence[float] | float | None
    zero_point: Sequence[int] | int
    axis: int
    data: bytes | None


@dataclass
class _Operator:
    code: str
    inputs: Sequence[int]
    outputs: Sequence[int]
    options: str | None
    fields: dict[str, int | float | bool | Sequence[int]]


@dataclass
class File:
    """A network under construction."""

    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    tensors: list[_Tensor] = field(default_factory=list)
    operators: list[_Operator] = field(default_factory=list)
    variables: list[int] = field(default_factory=list)  # tensors that keep their state
    signature: dict[int, str] = field(default_factory=dict)  # names of inputs and outputs

    def tensor(
        self,
        shape: Sequence[int],
        type: str = "int8",  # noqa: A002
        scale: Sequence[float] | float | None = 0.05,
        zero_point: Sequence[int] | int = 0,
        *,
        axis: int = 0,
        data: Array | None = None,
        name: str | None = None,
    ) -> int:
        stored = None if data is None else _bytes(data, type)
        name = name or f"t{len(self.tensors)}"
        self.tensors.append(_Tensor(name, shape, type, scale, zero_point, axis, stored))
        return len(self.tensors) - 1

    def input(
        self,
        shape: Sequence[int],
        type: str = "int8",  # noqa: A002
        scale: float | None = 0.05,
        zero_point: int = 0,
    ) -> int:
        self.inputs.append(self.tensor(shape, type, scale, zero_point, name=f"x{len(self.inputs)}"))
        return self.inputs[-1]

    def output(
        self,
        shape: Sequence[int],
        type: str = "int8",  # noqa: A002
        scale: float | None = 0.05,
        zero_point: int = 0,
    ) -> int:
        name = f"y{len(self.outputs)}"
        self.outputs.append(self.tensor(shape, type, scale, zero_point, name=name))
        return self.outputs[-1]

    def indices(self, numbers: Sequence[int] | int) -> int:
        data = np.asarray(numbers, np.int32)
        return self.tensor(data.shape, "int32", None, data=data)

    def operator(
        self,
        code: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: str | None = None,
        **fields: int | float | bool | Sequence[int],
    ) -> None:
        self.operators.append(_Operator(code, inputs, outputs, options, fields))

    def save(self, path: Path) -> Path:
        path.write_bytes(self.to_bytes())
        return path

    def to_bytes(self) -> bytes:
        builder = flatbuffers.Builder(4096)
        codes = list(dict.fromkeys(operator.code for operator in self.operators))
        buffers = [_buffer(builder, b"")]
        tensors = [
            _tensor(builder, tensor, buffers, index in self.variables)
            for index, tensor in enumerate(self.tensors)
        ]
        operators = [_operator(builder, operator, codes) for operator in self.operators]
        parts = [
            _tables(builder, tensors, tflite.SubGraphStartTensorsVector),
            _numbers(builder, self.inputs, np.int32),
            _numbers(builder, self.outputs, np.int32),
            _tables(builder, operators, tflite.SubGraphStartOperatorsVector),
        ]
        tflite.SubGraphStart(builder)
        for name, part in zip(("Tensors", "Inputs", "Outputs", "Operators"), parts, strict=True):
            getattr(tflite, f"SubGraphAdd{name}")(builder, part)
        graph = tflite.SubGraphEnd(builder)
        graphs = _tables(builder, [graph], tflite.ModelStartSubgraphsVector)
        made_codes = _tables(
            builder, [_code(builder, code) for code in codes], tflite.ModelStartOperatorCodesVector
        )
        made_buffers = _tables(builder, buffers, tflite.ModelStartBuffersVector)
        signatures = _signature(builder, self) if self.signature else None
        tflite.ModelStart(builder)
        tflite.ModelAddVersion(builder, 3)
        tflite.ModelAddOperatorCodes(builder, made_codes)
        tflite.ModelAddSubgraphs(builder, graphs)
        tflite.ModelAddBuffers(builder, made_buffers)
        if signatures is not None:
            tflite.ModelAddSignatureDefs(builder, signatures)
        builder.Finish(tflite.ModelEnd(builder), b"TFL3")
        return bytes(builder.Output())


def _bytes(data: Array, type: str) -> bytes:  # noqa: A002
    if type != "int4":
        return np.asarray(data, type).tobytes()
    nibbles = np.asarray(data, np.int8).reshape(-1).view(np.uint8) & 15
    even = np.append(nibbles, np.zeros(nibbles.size % 2, np.uint8))
    return (even[::2] | even[1::2] << 4).tobytes()


def _numbers(builder: flatbuffers.Builder, numbers: object, type: type) -> int:  # noqa: A002
    return int(builder.CreateNumpyVector(np.atleast_1d(np.asarray(numbers, type))))


def _tables(builder: flatbuffers.Builder, offsets: Sequence[int], start: object) -> int:
    start(builder, len(offsets))  # type: ignore[operator]
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _buffer(builder: flatbuffers.Builder, data: bytes) -> int:
    stored = _numbers(builder, np.frombuffer(data, np.uint8), np.uint8) if data else None
    tflite.BufferStart(builder)
    if stored is not None:
        tflite.BufferAddData(builder, stored)
    return int(tflite.BufferEnd(builder))


def _tensor(
    builder: flatbuffers.Builder, tensor: _Tensor, buffers: list[int], variable: bool
) -> int:
    name = builder.CreateString(tensor.name)
    shape = _numbers(builder, tensor.shape, np.int32)
    quantization = None
    if tensor.scale is not None:
        scale = _numbers(builder, tensor.scale, np.float32)
        zero_point = np.broadcast_to(tensor.zero_point, np.shape(np.atleast_1d(tensor.scale)))
        zero_points = _numbers(builder, zero_point, np.int64)
        tflite.QuantizationParametersStart(builder)
        tflite.QuantizationParametersAddScale(builder, scale)
        tflite.QuantizationParametersAddZeroPoint(builder, zero_points)
        tflite.QuantizationParametersAddQuantizedDimension(builder, tensor.axis)
        quantization = tflite.QuantizationParametersEnd(builder)
    if tensor.data is not None:
        buffers.append(_buffer(builder, tensor.data))
    tflite.TensorStart(builder)
    tflite.TensorAddName(builder, name)
    tflite.TensorAddShape(builder, shape)
    tflite.TensorAddType(builder, TYPES[tensor.type])
    tflite.TensorAddBuffer(builder, 0 if tensor.data is None else len(buffers) - 1)
    tflite.TensorAddIsVariable(builder, variable)
    if quantization is not None:
        tflite.TensorAddQuantization(builder, quantization)
    return int(tflite.TensorEnd(builder))


def _operator(builder: flatbuffers.Builder, operator: _Operator, codes: list[str]) -> int:
    inputs = _numbers(builder, operator.inputs, np.int32)
    outputs = _numbers(builder, operator.outputs, np.int32)
    options = None
    if operator.options is not None:
        vectors = {
            name: _numbers(builder, value, np.int32)
            for name, value in operator.fields.items()
            if isinstance(value, Sequence)
        }
        getattr(tflite, f"{operator.options}Start")(builder)
        for name, value in operator.fields.items():
            getattr(tflite, f"{operator.options}Add{name}")(builder, vectors.get(name, value))
        options = getattr(tflite, f"{operator.options}End")(builder)
    tflite.OperatorStart(builder)
    tflite.OperatorAddOpcodeIndex(builder, codes.index(operator.code))
    tflite.OperatorAddInputs(builder, inputs)
    tflite.OperatorAddOutputs(builder, outputs)
    if options is not None:
        kind = getattr(tflite.BuiltinOptions, operator.options)
        tflite.OperatorAddBuiltinOptionsType(builder, kind)
        tflite.OperatorAddBuiltinOptions(builder, options)
    return int(tflite.OperatorEnd(builder))


def _signature(builder: flatbuffers.Builder, file: File) -> int:
    parts = []
    for ends, start in (
        (file.inputs, tflite.SignatureDefStartInputsVector),
        (file.outputs, tflite.SignatureDefStartOutputsVector),
    ):
        entries = []
        for index in ends:
            name = builder.CreateString(file.signature[index])
            tflite.TensorMapStart(builder)
            tflite.TensorMapAddName(builder, name)
            tflite.TensorMapAddTensorIndex(builder, index)
            entries.append(tflite.TensorMapEnd(builder))
        parts.append(_tables(builder, entries, start))
    key = builder.CreateString("serving_default")
    tflite.SignatureDefStart(builder)
    tflite.SignatureDefAddInputs(builder, parts[0])
    tflite.SignatureDefAddOutputs(builder, parts[1])
    tflite.SignatureDefAddSignatureKey(builder, key)
    signature = tflite.SignatureDefEnd(builder)
    return _tables(builder, [signature], tflite.ModelStartSignatureDefsVector)


def _code(builder: flatbuffers.Builder, code: str) -> int:
    number = getattr(tflite.BuiltinOperator, code, None)
    custom = builder.CreateString(code) if number is None else None
    tflite.OperatorCodeStart(builder)
    if custom is not None:
        tflite.OperatorCodeAddCustomCode(builder, custom)
        number = tflite.BuiltinOperator.CUSTOM
    tflite.OperatorCodeAddDeprecatedBuiltinCode(builder, min(number, 127))
    tflite.OperatorCodeAddBuiltinCode(builder, number)
    tflite.OperatorCodeAddVersion(builder, 2 if code == "BROADCAST_TO" else 1)  # its lowest
    return int(tflite.OperatorCodeEnd(builder))
