"""What QLayerNorm and QGroupNorm need, so that their 64-bit variance cannot overflow."""

import math

from intact.ir.attributes import check_all, check_clamp, check_range, check_size, codes
from intact.ir.graph import Value
from intact.ir.int_ops import Normalization, QGroupNorm, QLayerNorm
from intact.numerics.fixedpoint import INT32_MAX, INT32_MIN
from intact.numerics.formats import Int

MAX_EPSILON = 1 << 61
# n * sum(x**2) - sum(x)**2 + epsilon stays below 2**63.
MAX_COUNT = {8: 1 << 22, 16: 1 << 15}


def check_normalization(op: QLayerNorm | QGroupNorm, x: Value, output: Value) -> None:
    """Sizes and ranges of the normalization's numbers.

    Raises:
        ValueError: says which does not fit.
    """
    format, out = codes(x), codes(output)
    if isinstance(op, QLayerNorm):
        channels = count = math.prod(x.shape[len(x.shape) - op.axes :])
    else:
        channels, count = x.shape[-1], math.prod(x.shape[1:]) // op.groups
    most = MAX_COUNT[8 if format.bits <= 8 else 16]
    if count > most:
        raise ValueError(f"normalizes {count} elements, at most {most} of {format}")
    _check_numbers(op.normalization, channels, out)


def _check_numbers(numbers: Normalization, channels: int, output: Int) -> None:
    check_range("epsilon", numbers.epsilon, 1, MAX_EPSILON)
    check_size("gain_sign", numbers.gain_sign, (channels,))
    check_all("gain_sign", numbers.gain_sign, -1, 1)
    check_size("beta", numbers.beta, (channels,))
    check_all("beta", numbers.beta, INT32_MIN, INT32_MAX)
    check_clamp(numbers.gain, channels, (INT32_MIN, INT32_MAX))
    check_range("zero_point", numbers.zero_point, output.qmin, output.qmax)
    check_range("qmin", numbers.qmin, output.qmin, output.qmax)
    check_range("qmax", numbers.qmax, numbers.qmin, output.qmax)
