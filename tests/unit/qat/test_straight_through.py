import torch
from hypothesis import given
from hypothesis import strategies as st

from intact.qat.straight_through import straight_through

_NUMBERS = st.floats(-1e6, 1e6, width=32)


@given(_NUMBERS, _NUMBERS)
def test_the_value_is_exact_and_the_gradient_the_surrogates(y: float, x: float) -> None:
    source = torch.tensor(x, requires_grad=True)
    found = straight_through(torch.tensor(y), 3 * source)
    assert found.item() == y
    found.backward()
    assert source.grad is not None
    assert source.grad.item() == 3
