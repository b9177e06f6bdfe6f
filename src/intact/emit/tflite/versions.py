"""Which version of an operator a file needs (TFLite's tools/versioning/op_version.cc)."""

from collections.abc import Sequence

from intact.emit.tflite.schema import BuiltinOperator, Options, TensorType
from intact.emit.tflite.writer import Tensor

# By operator: the versions for int8 and for int16 inputs; 1 for other types.
_BY_TYPE: dict[int, tuple[int, int]] = {
    BuiltinOperator.ADD: (2, 3),
    BuiltinOperator.AVERAGE_POOL_2D: (2, 3),
    BuiltinOperator.BATCH_MATMUL: (2, 3),
    BuiltinOperator.BROADCAST_TO: (2, 3),
    BuiltinOperator.CAST: (1, 4),
    BuiltinOperator.CONCATENATION: (2, 3),
    BuiltinOperator.CONV_2D: (3, 4),
    BuiltinOperator.DEPTHWISE_CONV_2D: (3, 5),
    BuiltinOperator.FULLY_CONNECTED: (4, 7),
    BuiltinOperator.GATHER: (2, 4),
    BuiltinOperator.HARD_SWISH: (1, 1),
    BuiltinOperator.LEAKY_RELU: (1, 2),
    BuiltinOperator.LOGISTIC: (2, 3),
    BuiltinOperator.MAXIMUM: (2, 4),
    BuiltinOperator.MAX_POOL_2D: (2, 3),
    BuiltinOperator.MEAN: (2, 3),
    BuiltinOperator.MINIMUM: (2, 4),
    BuiltinOperator.MIRROR_PAD: (2, 3),
    BuiltinOperator.MUL: (2, 4),
    BuiltinOperator.PAD: (2, 3),
    BuiltinOperator.PADV2: (2, 3),
    BuiltinOperator.QUANTIZE: (1, 2),
    BuiltinOperator.RELU: (2, 3),
    BuiltinOperator.RELU6: (2, 3),
    BuiltinOperator.RESIZE_BILINEAR: (3, 4),
    BuiltinOperator.RESIZE_NEAREST_NEIGHBOR: (3, 4),
    BuiltinOperator.SOFTMAX: (2, 3),
    BuiltinOperator.STRIDED_SLICE: (2, 4),
    BuiltinOperator.SUB: (2, 5),
    BuiltinOperator.TANH: (2, 3),
    BuiltinOperator.TRANSPOSE: (2, 5),
}
_KINDS = {TensorType.INT8: 0, TensorType.INT16: 1}
# Operators whose kernels took up to four axes at first, and the version for more.
_BY_RANK = {
    BuiltinOperator.PAD: 4,
    BuiltinOperator.PADV2: 4,
    BuiltinOperator.STRIDED_SLICE: 4,
    BuiltinOperator.TRANSPOSE: 4,
}


def operator_version(code: int, inputs: Sequence[Tensor], options: Options | None) -> int:
    """The least version that takes such inputs."""
    match code:
        case BuiltinOperator.CONV_2D | BuiltinOperator.DEPTHWISE_CONV_2D:
            return _convolution(code, inputs[0], inputs[1])
        case BuiltinOperator.FULLY_CONNECTED:
            return _fully_connected(inputs[0], inputs[1], options)
        case BuiltinOperator.TRANSPOSE_CONV:
            return 3  # with a bias
        case BuiltinOperator.DEQUANTIZE:
            return _dequantize(inputs[0])
        case BuiltinOperator.BROADCAST_TO:
            return max(2, _by_type(code, inputs[0].type))  # 1 was never released
        case BuiltinOperator.TRANSPOSE if len(inputs[0].shape) > 5:
            return 6
        case _:
            least = _BY_RANK.get(code, 1) if len(inputs[0].shape) > 4 else 1
            return max(least, _by_type(code, inputs[0].type))


def _by_type(code: int, kind: int) -> int:
    if code not in _BY_TYPE or kind not in _KINDS:
        return 1
    return _BY_TYPE[code][_KINDS[kind]]


def _convolution(code: int, x: Tensor, weight: Tensor) -> int:
    depthwise = code == BuiltinOperator.DEPTHWISE_CONV_2D
    if weight.type == TensorType.INT4:
        return 7
    if not depthwise and weight.shape[-1] != x.shape[-1]:
        return 6  # groups
    if x.type == TensorType.FLOAT32 and weight.type == TensorType.INT8:
        return 6 if depthwise else 5
    return _by_type(code, x.type)


def _fully_connected(x: Tensor, weight: Tensor, options: Options | None) -> int:
    if x.type == TensorType.FLOAT32 and weight.type == TensorType.INT8:
        return 12
    if x.type == TensorType.INT16:
        return 7
    keeps_axes = options is not None and bool(options.fields.get("KeepNumDims", False))
    return 5 if keeps_axes else _by_type(BuiltinOperator.FULLY_CONNECTED, x.type)


def _dequantize(x: Tensor) -> int:
    if x.type == TensorType.INT8:
        return 5 if x.quantization is not None and x.quantization.scale.size > 1 else 2
    return 6 if x.type == TensorType.INT4 else 3
