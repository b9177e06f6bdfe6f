"""An activation as its codes see it, in float32: for simulation and for training."""

from torch import Tensor

from intact.numerics.formats import Int
from intact.numerics.qtensor import QuantParams, scalar_scale, scalar_zero_point


def fake_quantize(x: Tensor, params: QuantParams) -> Tensor:
    """An activation rounded to its codes, ties to even (arithmetic.md, eq. 1 and 2).

    Its gradient is 1 where nothing saturates, and 0 elsewhere.
    """
    assert isinstance(params.format, Int)
    scale, zero_point = scalar_scale(params), scalar_zero_point(params)
    low, high = params.format.qmin - zero_point, params.format.qmax - zero_point
    rounded = (x.detach() / scale).round().clamp(low, high) * scale
    if not x.requires_grad:
        return rounded
    inside = x.clamp(low * scale, high * scale)
    return rounded + (inside - inside.detach())
