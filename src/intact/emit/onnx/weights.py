"""Weights of integer layers, from the Program's order of axes to ONNX's."""

from dataclasses import dataclass

import numpy as np

from intact.emit.onnx.layout import View, identity
from intact.emit.onnx.quantization import Stored
from intact.errors import UnsupportedOpError
from intact.ir.graph import Value
from intact.numerics.arrays import F64, Array, Codes
from intact.numerics.formats import Format
from intact.numerics.integers import integer_unit
from intact.numerics.qtensor import QuantParams


@dataclass(frozen=True, slots=True)
class Weight:
    """real = scale * (value - zero_point); scale and zero point (O,) or (1,)."""

    name: str
    codes: Codes  # (O, ..., I)
    format: Format
    scale: F64
    zero_point: Codes | None

    @property
    def unit(self) -> F64:
        """The real number of one integer of the accumulator's grid, (O,) or (1,)."""
        return self.scale * integer_unit(self.format)


def layer_weight(value: Value, codes: Codes, zero_points: tuple[int, ...] | None) -> Weight:
    """The weight of an integer layer or embedding.

    Raises:
        UnsupportedOpError: if the Program does not say what the codes mean.
    """
    if value.params is None:
        raise UnsupportedOpError(
            f'the weight "{value.name}" has codes without scales; lower the model with intact.lower'
        )
    scale = value.params.scale.astype(np.float64).reshape(-1)
    zero_point = None if zero_points is None else np.asarray(zero_points, np.int64)
    return Weight(value.name, codes, value.params.format, scale, zero_point)


def linear_weight(weight: Weight) -> View:
    """(O, I), also the table (V, D) of an embedding."""
    return _view(weight, weight.codes, _column(weight, weight.codes.ndim))


def conv_weight(weight: Weight) -> View:
    """(O, kh, kw, I) as (O, I, kh, kw)."""
    codes = weight.codes.transpose(0, 3, 1, 2)
    return _view(weight, codes, _column(weight, 4))


def transposed_conv_weight(weight: Weight, groups: int) -> View:
    """(O, kh, kw, I/groups) as (I, O/groups, kh, kw)."""
    outputs, height, width, inputs = weight.codes.shape
    each = outputs // groups
    grouped = weight.codes.reshape(groups, each, height, width, inputs)
    codes = grouped.transpose(0, 4, 1, 2, 3).reshape(groups * inputs, each, height, width)

    def rows(numbers: Array) -> Array:
        per_group = np.broadcast_to(numbers, (outputs,)).reshape(groups, each)
        if (per_group == per_group[:1]).all():
            return per_group[:1, :, None, None]
        return per_group.repeat(inputs, axis=0)[:, :, None, None]

    zero_point = None if weight.zero_point is None else rows(weight.zero_point)
    scale = rows(weight.scale)
    if zero_point is not None:
        scale, zero_point = np.broadcast_arrays(scale, zero_point)
    return _view(weight, codes, (scale, zero_point))


def _column(weight: Weight, rank: int) -> tuple[Array, Array | None]:
    """Scales and zero points in the weight's rank, both of one shape."""
    shape = (-1,) + (1,) * (rank - 1)
    scale = weight.scale.reshape(shape)
    if weight.zero_point is None:
        return scale, None
    both = np.broadcast_arrays(scale, weight.zero_point.reshape(shape))
    return both[0], both[1]


def _view(weight: Weight, codes: Codes, numbers: tuple[Array, Array | None]) -> View:
    scale, zero_point = numbers
    params = QuantParams(weight.format, scale.astype(np.float32), zero_point)
    return View(weight.name, codes.shape, identity(codes.ndim), Stored(codes, params))
