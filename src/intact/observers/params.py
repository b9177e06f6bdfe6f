"""From a range of real numbers to scale and zero point: the one place that does it."""

from typing import TypeVar

import numpy as np

from intact.errors import CalibrationError
from intact.numerics.arrays import F64, Array
from intact.numerics.formats import Int
from intact.numerics.qtensor import QuantParams

# Below, real / scale would overflow float32 for |real| near 2**32.
SMALLEST_SCALE = 2.0**-96
LARGEST_SCALE = float(np.finfo(np.float32).max)


def choose_params(
    low: Array | float, high: Array | float, format: Int, symmetric: bool
) -> QuantParams:
    """Parameters whose grid covers low..high (Jacob et al. 2017; arithmetic.md, eq. 6, 7).

    The range is widened to include 0. Symmetric: scale = max(-low, high) / qmax, no zero point.
    Else scale = (high - low) / (qmax - qmin), zero_point = round(qmin - low / scale): *nudged*, so
    that 0 is on the grid and each end moves by at most half a step. A range of 0 only gets scale 1.

    Args:
        low: Smallest real number, of any shape; `scale` has this shape.
        high: Largest real number, same shape.
        format: The grid.
        symmetric: Whether the zero point is 0.

    Raises:
        ValueError: if an unsigned format is asked to be symmetric.
    """
    check_settings(format, symmetric)
    bottom = np.minimum(np.asarray(low, np.float64), 0)
    top = np.maximum(np.asarray(high, np.float64), 0)
    if symmetric:
        return QuantParams(format, _scale(np.maximum(-bottom, top) / format.qmax))
    scale = _scale((top - bottom) / (format.qmax - format.qmin))
    zero_point = np.rint(format.qmin - bottom / scale)
    zero_point = np.clip(zero_point, format.qmin, format.qmax).astype(np.int64)
    return QuantParams(format, scale, zero_point)


def check_settings(format: Int, symmetric: bool) -> None:
    """Raises ValueError for a symmetric unsigned format."""
    if symmetric and not format.signed:
        raise ValueError(f"a symmetric range needs a signed format, not {format}")


def _scale(real: F64) -> Array:
    scale = np.where(real > 0, np.clip(real, SMALLEST_SCALE, LARGEST_SCALE), 1.0)
    return scale.astype(np.float32)


Settings = TypeVar("Settings")


def require_same(mine: Settings, other: Settings) -> None:
    """Raises ValueError if the observers of two statistics that are merged are not equal."""
    if mine != other:
        raise ValueError(f"cannot merge statistics of {mine} with those of {other}")


def no_samples() -> CalibrationError:
    """The error of statistics that are asked for parameters too early."""
    return CalibrationError("the statistics have seen no sample; calibrate with at least one")
