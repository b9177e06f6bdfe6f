"""What a tensor's declaration says: its name, its codes' meaning, its numbers."""

import math

import numpy as np

from intact.capture.tflite.file import Tensor
from intact.capture.tflite.scales import is_scale
from intact.errors import FormatError, UnsupportedOpError
from intact.ir.attributes import MAX_NAME
from intact.ir.packing import unpack
from intact.ir.verify import MAX_ELEMENTS
from intact.numerics.arrays import Array
from intact.numerics.formats import FP16, FP32, Format, Int
from intact.numerics.qtensor import QuantParams

ACTIVATIONS = {"INT8": Int(8), "UINT8": Int(8, signed=False), "INT16": Int(16)}
FORMATS: dict[str, Format] = {
    **ACTIVATIONS,
    "FLOAT32": FP32,
    "FLOAT16": FP16,
    "INT4": Int(4),
    "INT32": Int(32),
    "INT64": Int(64),
    "BOOL": Int(8, signed=False),
}
WAY_OUT = (
    "Convert the network again in full integers (a representative dataset, and"
    " TFLITE_BUILTINS_INT8), or give intact.quantize the float network"
)
_LONGEST_NAME = MAX_NAME - 24  # room for a suffix


def readable(name: str) -> str:
    """The first of the names that a converter joined with semicolons, as one line of text."""
    first = name.split(";", 1)[0][:_LONGEST_NAME]
    return "".join(c if c.isprintable() else "?" for c in first) or "unnamed"


def activation_params(tensor: Tensor) -> QuantParams:
    """What the codes of an activation mean: one scale and one zero point.

    Raises:
        FormatError: if these are no usual numbers.
        UnsupportedOpError: if it has none, or one for each channel.
    """
    name, format = readable(tensor.name), ACTIVATIONS.get(tensor.type)
    if format is None or tensor.scales is None:
        raise UnsupportedOpError(
            f'"{name}" holds {tensor.type} without a scale, where intact reads codes. {WAY_OUT}'
        )
    scale, zero_point = tensor.scales.scale, int(tensor.scales.zero_point[0])
    if len(scale) != 1:
        raise UnsupportedOpError(f'activation "{name}" has {len(scale)} scales; intact reads one')
    if not format.qmin <= zero_point <= format.qmax:
        raise FormatError(f'"{name}" has zero point {zero_point}, which is no {format}')
    if not is_scale(scale):
        raise FormatError(f'"{name}" has scale {scale[0]}')
    return QuantParams(format, scale[0], np.asarray(zero_point))


def constant_numbers(tensor: Tensor) -> Array:
    """The numbers of a constant.

    Raises:
        FormatError: if there are more or fewer bytes than the shape takes.
        UnsupportedOpError: if intact has no such type.
    """
    name, format = readable(tensor.name), FORMATS.get(tensor.type)
    if format is None:
        raise UnsupportedOpError(f'constant "{name}" is {tensor.type}, which intact does not read')
    assert tensor.data is not None
    if min(tensor.shape, default=1) < 1 or math.prod(tensor.shape) >= MAX_ELEMENTS:
        raise FormatError(f'constant "{name}" has shape {tensor.shape}')
    try:
        return unpack(tensor.data, format, tensor.shape)
    except ValueError as error:
        raise FormatError(f'constant "{name}": {error}') from None
