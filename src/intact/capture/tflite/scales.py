"""Scales of a file → multipliers and bounds, in the very precision of TFLite's `Prepare`.

TFLite keeps scales as float32 and computes with them sometimes in float32, sometimes in float64; a
multiplier that differs in its last bit makes other codes. Each function names the one it follows
(tensorflow/lite/kernels).
"""

from typing import Literal, TypeAlias

import numpy as np

from intact.lower.requant import saturating_multiplier
from intact.numerics.arrays import F32, F64, Array
from intact.numerics.fixedpoint import Requant
from intact.numerics.formats import Int
from intact.numerics.qtensor import QuantParams, bound_code, scalar_scale, scalar_zero_point

# ActivationFunctionType: NONE, RELU, RELU_N1_TO_1, RELU6.
Bounds: TypeAlias = tuple[float | None, float | None]
BOUNDS: dict[int, Bounds] = {
    0: (None, None),
    1: (0.0, None),
    2: (-1.0, 1.0),
    3: (0.0, 6.0),
}

_SMALLEST, _LARGEST = 2.0**-60, 2.0**32  # products and quotients of three stay within float32


def is_scale(scale: F32) -> bool:
    """Whether all numbers can be scales: positive, and neither tiny nor huge."""
    return bool(((scale >= _SMALLEST) & (scale <= _LARGEST)).all())


def scale32(params: QuantParams) -> np.float32:
    """The scale as TFLite holds it."""
    return np.float32(scalar_scale(params))


def integer(params: QuantParams) -> Int:
    """The format of an activation."""
    assert isinstance(params.format, Int)
    return params.format


def clamp(output: QuantParams, low: float | None, high: float | None) -> tuple[int, int]:
    """Codes that an activation leaves (CalculateActivationRangeQuantized)."""
    format = integer(output)
    lowest = format.qmin if low is None else max(format.qmin, bound_code(low, output))
    highest = format.qmax if high is None else min(format.qmax, bound_code(high, output))
    return lowest, highest


def requant(
    real: Array | float,
    output: QuantParams,
    bounds: Bounds = BOUNDS[0],
    bits: Literal[32, 64] = 32,
) -> Requant:
    """QuantizeMultiplier of real multipliers, and the clamp of a fused activation."""
    multiplier, shift = saturating_multiplier(np.atleast_1d(np.asarray(real, np.float64)), bits)
    low, high = clamp(output, *bounds)
    return Requant(
        multiplier, shift, scalar_zero_point(output), np.array([low]), np.array([high]), bits
    )


def channel_multipliers(source: QuantParams, weight: Array, output: QuantParams) -> F64:
    """PopulateConvolutionQuantizationParams: products and quotients in float64."""
    product = np.float64(scale32(source)) * weight.astype(np.float64)
    return np.asarray(product / np.float64(scale32(output)))


def tensor_multiplier(source: QuantParams, weight: Array, output: QuantParams) -> F64:
    """GetQuantizedConvolutionMultipler: the product in float32, the quotient in float64."""
    product = scale32(source) * weight.astype(np.float32)
    return np.asarray(product.astype(np.float64) / np.float64(scale32(output)))


def ratio(source: QuantParams, output: QuantParams) -> float:
    """Input scale over output scale, in float64."""
    return float(scale32(source)) / float(scale32(output))


def ratio32(source: QuantParams, output: QuantParams) -> float:
    """Input scale over output scale, in float32."""
    return float(scale32(source) / scale32(output))
