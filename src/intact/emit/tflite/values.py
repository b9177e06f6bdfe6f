"""What the values of a Program are in a TFLite file."""

from collections.abc import Container

import numpy as np

from intact.emit.tflite.schema import Quantization, TensorType
from intact.errors import UnsupportedOpError
from intact.ir.graph import Node, Shape, Value, with_batch
from intact.ir.int_ops import IntOp
from intact.numerics.formats import FP32, Format, Int
from intact.numerics.qtensor import QuantParams, scalar_scale, scalar_zero_point

BATCH = 1  # files are written for one sample; LiteRT's interpreter can resize them

_INTEGERS = {8: TensorType.INT8, 16: TensorType.INT16, 32: TensorType.INT32, 64: TensorType.INT64}


def unsupported(node: Node[IntOp], reason: str, way_out: str) -> UnsupportedOpError:
    """An operation that a TFLite file cannot hold."""
    kind = type(node.op).__name__
    return UnsupportedOpError(f'{kind} "{node.name}": {reason}. {way_out}')


def no_scale(node: Node[IntOp]) -> UnsupportedOpError:
    """TFLite's kernel would compute other codes from the scales in its file."""
    return unsupported(
        node,
        "TFLite would derive another multiplier from its scales, and so other codes",
        "Quantize the network anew if an older version did, or export to .onnx or C, which hold"
        " the integers themselves.",
    )


def sizes(value: Value) -> Shape:
    """A value's shape in the file."""
    return with_batch(value.shape, BATCH)


def tensor_type(name: str, format: Format) -> int:
    """The schema's type of a value's codes.

    Raises:
        UnsupportedOpError: if TFLite has no such codes.
    """
    if format == FP32:
        return int(TensorType.FLOAT32)
    if isinstance(format, Int) and format.signed and format.bits in _INTEGERS:
        return int(_INTEGERS[format.bits])
    raise UnsupportedOpError(
        f'"{name}" has codes of {format}: TFLite has activations of int8 and int16.'
        " Quantize with Int(8) or Int(16), or export to .onnx or C."
    )


def quantization(params: QuantParams | None) -> Quantization | None:
    """An activation's scale and zero point as the file holds them."""
    if params is None:
        return None
    scale = np.asarray([scalar_scale(params)], np.float32)
    return Quantization(scale, np.asarray([scalar_zero_point(params)]))


def activation_params(node: Node[IntOp], value: Value) -> tuple[np.float32, int]:
    """(scale, zero point) of codes.

    Raises:
        UnsupportedOpError: if the value's codes have no known meaning.
    """
    if value.params is None:
        raise unsupported(
            node,
            f'the scale of "{value.name}" is not known',
            "A TFLite file needs it; lower the network anew.",
        )
    return np.float32(scalar_scale(value.params)), scalar_zero_point(value.params)


def code_range(value: Value) -> tuple[int, int]:
    """Lowest and highest code that TFLite's type has; of real numbers the finite ones."""
    if value.dtype == FP32:
        largest = int(np.finfo(np.float32).max)
        return -largest, largest
    bits = value.dtype.bits
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


def check_one_width(node: Node[IntOp], constants: Container[str]) -> None:
    """TFLite's kernels read and write codes of one type.

    Raises:
        UnsupportedOpError: if an activation that the node reads has other codes than its output.
    """
    for value in node.inputs:
        if value.name not in constants and value.dtype.bits != node.output.dtype.bits:
            raise unsupported(
                node,
                f'it reads {value.dtype} "{value.name}" and writes {node.output.dtype}',
                "Quantize both with as many bits.",
            )


def check_zero_point(value: Value) -> None:
    """TFLite's codes of 16 bits have zero point 0.

    Raises:
        UnsupportedOpError: if the value's have another.
    """
    params = value.params
    if value.dtype == Int(16) and params is not None and scalar_zero_point(params):
        raise UnsupportedOpError(
            f'"{value.name}" has 16-bit codes with a zero point, which TFLite has not.'
            " Calibrate with symmetric=True, or export to .onnx or C."
        )
