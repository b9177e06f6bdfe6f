"""A layer's output at drawn positions is its output there, and all of it where they suffice."""

import pytest
import torch
from torch import Tensor

from intact.capture.torch_ops import compute
from intact.ir import float_ops as ops
from intact.passes.channels import Layered
from intact.ptq.positions import Positions, product
from intact.ptq.unfolded import as_rows

_LAYERS: dict[str, tuple[Layered, tuple[int, ...], tuple[int, ...]]] = {
    "conv": (ops.Conv((1, 1), ((1, 1), (1, 1)), (1, 1)), (2, 3, 5, 6), (4, 3, 3, 3)),
    "strided": (ops.Conv((2, 3), ((0, 1), (2, 0)), (2, 1), 2), (2, 4, 9, 8), (6, 2, 3, 2)),
    "depthwise": (ops.Conv((1, 1), ((1, 1), (1, 1)), (1, 1), 4), (2, 4, 5, 5), (4, 1, 3, 3)),
    "pointwise": (ops.Conv((1, 1), ((0, 0), (0, 0)), (1, 1)), (2, 4, 3, 3), (5, 4, 1, 1)),
    "conv1d": (ops.Conv((2,), ((1, 0),), (1,)), (3, 2, 9), (4, 2, 3)),
    "transposed": (
        ops.ConvTranspose((2, 3), ((1, 0), (0, 2)), (1, 0), (1, 2), 2),
        (2, 4, 3, 4),
        (4, 3, 3, 2),
    ),
    "linear": (ops.Linear(), (2, 5, 3), (4, 3)),
}


def _by_position(op: Layered, y: Tensor) -> Tensor:
    return (
        y.reshape(-1, y.shape[-1])
        if isinstance(op, ops.Linear)
        else y.movedim(1, -1).flatten(0, -2)
    )


@pytest.mark.parametrize("name", _LAYERS)
def test_all_positions_are_the_layer(name: str) -> None:
    op, shape, weight_shape = _LAYERS[name]
    generator = torch.Generator().manual_seed(0)
    x, weight = (torch.randn(s, generator=generator) for s in (shape, weight_shape))
    y = _by_position(op, compute(op, [x, weight], batch=len(x), training=False))
    positions = Positions(op, weight_shape, x, len(y), generator)
    torch.testing.assert_close(product(positions.inputs(x), as_rows(op, weight)), y)


def test_drawn_positions_are_the_same_for_two_inputs() -> None:
    op, shape, weight_shape = _LAYERS["conv"]
    x, weight = torch.randn(shape), torch.randn(weight_shape)
    positions = Positions(op, weight_shape, x, 7, torch.Generator().manual_seed(0))
    found = product(positions.inputs(x), as_rows(op, weight))
    assert len(found) == 7
    every = _by_position(op, compute(op, [x, weight], batch=len(x), training=False))
    assert all((every - row).abs().amax(1).min() < 1e-5 for row in found)
    torch.testing.assert_close(2 * positions.inputs(x), positions.inputs(2 * x))
