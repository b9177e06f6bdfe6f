"""QuantizeLinear and DequantizeLinear: which ONNX type holds a format's codes, and its scales."""

from dataclasses import dataclass

import numpy as np
from onnx import TensorProto, helper

from intact.emit.onnx.writer import Writer, element_type
from intact.errors import UnsupportedOpError
from intact.numerics.arrays import F32, Array, Codes, IntArray
from intact.numerics.formats import FP32, Float, Int
from intact.numerics.granularity import stretch
from intact.numerics.integers import code_integers, integer_range, integer_unit
from intact.numerics.qtensor import QuantParams, scalar_scale, scalar_zero_point


@dataclass(frozen=True, slots=True)
class Stored:
    """A constant of codes."""

    codes: Codes
    params: QuantParams  # scale of shape () or the codes' rank

    def transposed(self, axes: tuple[int, ...]) -> "Stored":
        """The constant whose axis i is axis axes[i] of this one."""
        params = self.params
        if params.scale.ndim:
            offset = None if params.zero_point is None else params.zero_point.transpose(axes)
            params = QuantParams(params.format, params.scale.transpose(axes), offset)
        return Stored(self.codes.transpose(axes), params)

    def reshaped(self, shape: tuple[int, ...]) -> "Stored":
        """Codes with one scale in another shape, row-major."""
        offset = None if self.params.zero_point is None else self.params.zero_point.reshape(())
        params = QuantParams(self.params.format, self.params.scale.reshape(()), offset)
        return Stored(self.codes.reshape(shape), params)


def activation_params(name: str, params: QuantParams | None) -> tuple[float, int]:
    """Scale and zero point of an activation.

    Raises:
        UnsupportedOpError: if there are none, or one for each channel.
    """
    if params is None or params.scale.size != 1 or not isinstance(params.format, Int):
        raise UnsupportedOpError(
            f'ONNX needs one scale and zero point for the codes "{name}", which have'
            f" {'none' if params is None else params}; lower the model with intact.lower"
        )
    return scalar_scale(params), scalar_zero_point(params)


def quantize_linear(
    writer: Writer, tensor: str, scale: float, zero_point: int, format: Int, name: str
) -> str:
    """Codes, named `name`, of a real tensor; rounds to nearest, ties to even."""
    inputs = [tensor, *_scale_and_zero_point(writer, scale, zero_point, format, name)]
    return writer.node("QuantizeLinear", inputs, name, f"{name}/QuantizeLinear")


def dequantize_linear(
    writer: Writer,
    tensor: str,
    scale: float,
    zero_point: int,
    format: Int,
    output: str | None = None,
) -> str:
    """The real numbers of codes, as a tensor called `output` or after the codes."""
    scales = _scale_and_zero_point(writer, scale, zero_point, format, tensor)
    return writer.dequantize(tensor, *scales, output)


def _scale_and_zero_point(
    writer: Writer, scale: float, zero_point: int, format: Int, name: str
) -> tuple[str, str]:
    return (
        writer.constant(np.asarray(scale, np.float32), f"{name}/scale"),
        writer.constant(np.asarray(zero_point, format.storage), f"{name}/zero_point"),
    )


def dequantized_bias(writer: Writer, bias: Array, scale: Array, name: str) -> str:
    """A bias in accumulator units as real numbers: int32 with DequantizeLinear, else float32.

    `scale` has the bias's shape or one entry. ONNX dequantizes no 64-bit integers.
    """
    fits = bias.dtype == np.int32
    single = scale.astype(np.float32)
    if not fits or (single <= 0).any():
        return writer.constant((bias.astype(np.float64) * scale).astype(np.float32), name)
    scales = single[:1].reshape(()) if (single == single.flat[0]).all() else single
    inputs = [
        writer.constant(bias, name),
        writer.constant(scales, f"{name}/scale"),
        writer.constant(np.zeros(scales.shape, np.int32), f"{name}/zero_point"),
    ]
    output = writer.unique(f"{name}/dequantized")
    return writer.node("DequantizeLinear", inputs, output, f"{name}/DequantizeLinear", axis=0)


# --- constants of codes ------------------------------------------------------------------------


def dequantized_constant(writer: Writer, stored: Stored, name: str) -> str:
    """The real tensor of a constant of codes, stored in the format's own bits where ONNX can."""
    format = stored.params.format
    if isinstance(format, Float):
        return _dequantized_floats(writer, stored, format, name)
    if format.bits > 16:  # ONNX dequantizes 32 bits only without zero points, and 64 not at all
        return _real(writer, stored, name)
    unit = integer_unit(format)
    element = _smallest_type(*integer_range(format))
    integers = code_integers(stored.codes, format)
    offset = (stored.params.offset / unit).astype(np.int32)
    codes = _Codes(element, integers.shape, _pack(integers, element))
    scale = stored.params.scale * np.float32(unit)
    # ONNX Runtime fuses layers only where zero points are written, even if they are 0.
    return _dequantize(writer, codes, scale, offset, name) or _real(writer, stored, name)


def _real(writer: Writer, stored: Stored, name: str) -> str:
    return writer.constant(stored.params.dequantize(stored.codes).astype(np.float32), name)


def _dequantized_floats(writer: Writer, stored: Stored, format: Float, name: str) -> str:
    params = stored.params
    if params.zero_point is not None or format == FP32:
        return _real(writer, stored, name)
    element = element_type(format.storage)
    codes = _Codes(element, stored.codes.shape, np.ascontiguousarray(stored.codes).tobytes())
    if format.bits == 8:
        return _dequantize(writer, codes, params.scale, None, name) or _real(writer, stored, name)
    packed = writer.packed(codes.element, codes.shape, codes.data, name)
    output = writer.unique(f"{name}/dequantized")
    if (params.scale == 1).all():
        return writer.node("Cast", [packed], output, f"{name}/Cast", to=TensorProto.FLOAT)
    real = writer.unique(f"{name}/Cast")
    writer.node("Cast", [packed], real, real, to=TensorProto.FLOAT)
    scale = writer.constant(stretch(params.scale, codes.shape), f"{name}/scale")
    return writer.node("Mul", [real, scale], output, f"{name}/Mul")


@dataclass(frozen=True, slots=True)
class _Codes:
    element: int  # ONNX's data type
    shape: tuple[int, ...]
    data: bytes


def _dequantize(
    writer: Writer, codes: _Codes, scale: F32, zero_point: IntArray | None, name: str
) -> str | None:
    """DequantizeLinear per tensor, axis or block; None where ONNX has no form for the scales."""
    layout = _scale_layout(codes.shape, scale.shape)
    if layout is None:
        return None
    shape, attributes = layout
    blocked = "block_size" in attributes
    arranged = np.broadcast_to(scale, shape) if blocked else scale.reshape(shape)
    inputs = [
        writer.packed(codes.element, codes.shape, codes.data, name),
        writer.constant(arranged.astype(np.float32), f"{name}/scale"),
    ]
    if zero_point is not None:
        offsets = np.broadcast_to(zero_point, shape) if blocked else zero_point.reshape(shape)
        data = _pack(offsets, codes.element)
        inputs.append(writer.packed(codes.element, shape, data, f"{name}/zero_point"))
    output = writer.unique(f"{name}/dequantized")
    node = f"{name}/DequantizeLinear"
    return writer.node("DequantizeLinear", inputs, output, node, **attributes)


def _scale_layout(
    shape: tuple[int, ...], scales: tuple[int, ...]
) -> tuple[tuple[int, ...], dict[str, int]] | None:
    """Shape of ONNX's scales and the node's attributes."""
    several = [axis for axis, size in enumerate(scales) if size > 1]
    groups = [axis for axis in several if scales[axis] != shape[axis]]
    if not several:
        return (), {}
    if not groups and len(several) == 1:
        return (scales[several[0]],), {"axis": several[0]}
    if len(groups) != 1:
        return None
    axis = groups[0]
    block = {"axis": axis, "block_size": shape[axis] // scales[axis]}
    return (*shape[:axis], scales[axis], *shape[axis + 1 :]), block


_INTEGER_TYPES = (
    (TensorProto.INT4, -8, 7),
    (TensorProto.UINT4, 0, 15),
    (TensorProto.INT8, -128, 127),
    (TensorProto.UINT8, 0, 255),
    (TensorProto.INT16, -(2**15), 2**15 - 1),
    (TensorProto.UINT16, 0, 2**16 - 1),
)


def _smallest_type(low: int, high: int) -> int:
    return next(t for t, least, most in _INTEGER_TYPES if least <= low and high <= most)


def _pack(integers: IntArray, element: int) -> bytes:
    """Bytes of an initializer; of 4 bits two to a byte, the first in the low half."""
    if element not in (TensorProto.INT4, TensorProto.UINT4):
        return integers.astype(helper.tensor_dtype_to_np_dtype(element)).tobytes()
    halves = (integers.reshape(-1) & 15).astype(np.uint8)
    pairs = np.append(halves, np.zeros(halves.size % 2, np.uint8)).reshape(-1, 2)
    packed: bytes = (pairs[:, 0] | (pairs[:, 1] << 4)).tobytes()
    return packed
