"""A tensor in the order of memory is read, not copied."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from intact.observers import in_memory_order


@given(st.permutations(range(4)), st.lists(st.integers(1, 4), min_size=4, max_size=4))
def test_axes_in_any_order_become_contiguous_without_a_copy(
    order: list[int], shape: list[int]
) -> None:
    memory = torch.arange(torch.tensor(shape).prod().item())
    found = in_memory_order(memory.view(shape).permute(order))
    assert found.data_ptr() == memory.data_ptr()
    assert found.is_contiguous()
    assert torch.equal(found.flatten(), memory)


def test_a_number_and_repeated_rows_stay_what_they_are() -> None:
    assert in_memory_order(torch.tensor(3.0)).item() == 3
    repeated = torch.tensor([[1.0, 2.0]]).expand(3, 2)
    assert in_memory_order(repeated).flatten().sort().values.tolist() == [1, 1, 1, 2, 2, 2]
