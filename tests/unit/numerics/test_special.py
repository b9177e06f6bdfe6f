import math

import numpy as np

from intact.numerics.special import erf


def test_erf_error_is_below_4e_9() -> None:
    x = np.linspace(-7, 7, 20_001)
    exact = np.array([math.erf(v) for v in x])
    assert np.abs(erf(x) - exact).max() < 4e-9


def test_erf_keeps_shape_and_dtype_and_is_odd() -> None:
    x = np.linspace(-5, 5, 3 * 4 * 5, dtype=np.float32).reshape(3, 4, 5)
    assert erf(x).shape == x.shape
    assert erf(x).dtype == np.float32
    np.testing.assert_array_equal(erf(-x), -erf(x))
    assert erf(np.float32([-np.inf, 0, np.inf])).tolist() == [-1, 0, 1]
