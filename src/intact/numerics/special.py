"""Functions that NumPy lacks."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from intact.numerics.arrays import F64, Array

# erf(x) = x * P(x**2) / Q(x**2) on |x| <= 4.4, lowest power first; fitted by iteratively reweighted
# least squares on Chebyshev nodes against mpmath.
_P = (1.1283791948095339, 0.19291702202034333, 0.056132040271702106, 0.004277863208714849,
      0.0004287208755303025, 7.4596419217786855e-06)  # fmt: skip
_Q = (1.0, 0.5043019700090969, 0.1178447083843528, 0.016455471627026073, 0.0014542318693549947,
      7.741535224271807e-05, 2.970357333033804e-07)  # fmt: skip
_RANGE = 4.4  # 1 - erf(4.4) = 5e-10
_BLOCK = 1 << 14  # elements whose float64 temporaries stay in the L2 cache


def round_half_away(x: Array) -> Array:
    """Nearest integer in the float type of x, ties away from zero, as C's round() and roundf()."""
    numbers = np.asarray(x)
    # The largest float below 1/2 cannot carry a number below k + 1/2 to k + 1; k + 1/2 rounds up.
    almost_half = np.nextafter(numbers.dtype.type(0.5), numbers.dtype.type(0))
    return np.asarray(np.trunc(numbers + np.copysign(almost_half, numbers)))


def erf(x: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """The error function, in x's dtype, computed in float64; absolute error below 4e-9."""
    flat = np.ascontiguousarray(x).reshape(-1)
    out = np.empty_like(flat)
    for start in range(0, flat.size, _BLOCK):
        block = slice(start, start + _BLOCK)
        out[block] = _erf_block(np.clip(flat[block].astype(np.float64), -_RANGE, _RANGE))
    return out.reshape(x.shape)


def _erf_block(x: F64) -> F64:
    square = x * x
    return x * _horner(_P, square) / _horner(_Q, square)


def _horner(coefficients: tuple[float, ...], x: F64) -> F64:
    total: Array = np.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total *= x
        total += coefficient
    return total
