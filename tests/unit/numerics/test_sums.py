"""The sums that a layer can reach, and the steps of a function of them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from intact.numerics.sums import least_sums, reached_sums


def test_reached_sums_are_the_extremes() -> None:
    low, high = reached_sums(np.array([[2, -3], [0, 1]]), np.array([10, -1]), (-4, 5))
    np.testing.assert_array_equal(low, [10 - 8 - 15, -1 - 4])
    np.testing.assert_array_equal(high, [10 + 10 + 12, -1 + 5])


@given(st.integers(-300, -1), st.integers(0, 300), st.integers(1, 9))
def test_least_sums_are_those_of_a_search_through_all(low: int, high: int, step: int) -> None:
    codes = np.arange(low // step + 1, 50)
    found = least_sums(lambda sums: sums // step, codes, low, high)
    sums = np.arange(low, high + 1)
    for code, least in zip(codes, found, strict=True):
        reaching = sums[sums // step >= code]
        assert least == (reaching[0] if reaching.size else high)
