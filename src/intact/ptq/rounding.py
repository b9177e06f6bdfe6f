"""Rounding up or down as variables: soft weights between two codes, and how they are learned.

Nagel et al. 2020, "Up or down? Adaptive rounding for post-training quantization", section 3.3. With
scale s and zero point z a weight becomes

    W~ = s (clip(floor(W / s) + z + h(V), qmin, qmax) - z),
    h(V) = clip(sigmoid(V) (zeta - gamma) + gamma, 0, 1),    zeta = 1.1, gamma = -0.1,

and V, which begins where W~ = W, is learned with Adam for the smallest

    E ||y - y~||^2 + lambda sum(1 - |2 h(V) - 1|^beta).

After a warm-up without the regularizer, beta falls from 20 to 2: first h moves freely, then to 0 or
1; in the end W~ is rounded to that. Here the error is taken relative to that of nearest rounding,
and the regularizer as a mean over the weights, so that one lambda does for every layer.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from intact.numerics.arrays import F32, Array
from intact.numerics.formats import Int
from intact.numerics.granularity import stretch
from intact.numerics.qtensor import ScaledTensor

ZETA, GAMMA = 1.1, -0.1  # the stretched sigmoid reaches 0 and 1 at finite V
Loss: TypeAlias = Callable[[Mapping[str, Tensor]], Tensor]  # weights by name → squared error

_BATCHES = 8  # that measure the error of nearest rounding


@dataclass(frozen=True, kw_only=True, slots=True)
class Learning:
    """How rounding is learned.

    The paper takes 10,000 steps of rate 1e-3 (its regularizer needs them to get all h to 0 or 1);
    a larger rate and a relative lambda do it in a few hundred.
    """

    iterations: int = 500
    rate: float = 0.1  # of Adam, for V
    regularization: float = 3.0  # lambda
    warm_up: float = 0.2  # share of the iterations without regularizer
    beta: tuple[float, float] = (20.0, 2.0)

    def __post_init__(self) -> None:
        if self.iterations < 1 or self.rate <= 0 or self.regularization < 0:
            raise ValueError(
                "learning takes at least one iteration, a rate above 0 and a regularization of at "
                f"least 0, not {self.iterations}, {self.rate:g} and {self.regularization:g}"
            )
        if not 0 <= self.warm_up < 1:
            raise ValueError(f"warm_up is a share from 0 to below 1, not {self.warm_up:g}")

    def beta_at(self, iteration: int) -> float | None:
        """The exponent, along half a cosine; None in the warm-up."""
        share = (iteration / self.iterations - self.warm_up) / (1 - self.warm_up)
        if share < 0:
            return None
        first, last = self.beta
        return last + (first - last) * (1 + math.cos(math.pi * share)) / 2


class SoftRounding:
    """A weight between its two neighbours among the codes.

    Args:
        weight: The float weight.
        nearest: Its codes; their format, scales and zero points stay.
    """

    def __init__(self, weight: F32, nearest: ScaledTensor) -> None:
        params, shape = nearest.params, weight.shape
        assert isinstance(params.format, Int)
        self.nearest = nearest
        offset = stretch(params.offset, shape)
        steps = weight / stretch(params.scale, shape) + offset
        floor = np.floor(steps)
        self._floor, self._scale, self._offset = map(
            _tensor, (floor, stretch(params.scale, shape), offset)
        )
        self._low, self._high = params.format.qmin, params.format.qmax
        self.v = torch.logit((_tensor(steps - floor) - GAMMA) / (ZETA - GAMMA)).requires_grad_()

    @property
    def up(self) -> Tensor:
        """h(V): 0 is down, 1 is up."""
        return (self.v.sigmoid() * (ZETA - GAMMA) + GAMMA).clamp(0, 1)

    def weight(self, up: Tensor) -> Tensor:
        """W~ for the shares h(V)."""
        codes = (self._floor + up).clamp(self._low, self._high)
        return (codes - self._offset) * self._scale

    def hard(self) -> ScaledTensor:
        """The weight as codes: each is rounded the way that is nearer by now."""
        up = (self.v.detach() >= 0).float()
        codes = (self._floor + up).clamp(self._low, self._high).numpy()
        return ScaledTensor(codes.astype(self.nearest.codes.dtype), self.nearest.params)


def learn(
    rounding: Mapping[str, SoftRounding],
    shifts: Sequence[Tensor],
    loss: Loss,
    learning: Learning,
    tell: Callable[[int], None],
) -> None:
    """Moves the variables of the weights, and the shifts, in place.

    Args:
        rounding: The weights by name.
        shifts: Of biases, in units of their layers' outputs; learned with a hundredth of the rate.
        loss: The squared error of the output for some weights, on samples that it draws itself.
        learning: Settings.
        tell: Called with the number of iterations that are done.
    """
    adam = torch.optim.Adam([soft.v for soft in rounding.values()], learning.rate)
    for shift in shifts:
        adam.add_param_group({"params": [shift.requires_grad_()], "lr": learning.rate / 100})
    unit = _nearest_error(rounding, loss)
    for iteration in range(learning.iterations):
        up = {name: soft.up for name, soft in rounding.items()}
        error = loss({name: soft.weight(up[name]) for name, soft in rounding.items()}) / unit
        beta = learning.beta_at(iteration)
        if beta is not None:
            error = error + learning.regularization * _undecided(list(up.values()), beta)
        adam.zero_grad()
        error.backward()  # type: ignore[no-untyped-call]
        adam.step()
        tell(iteration + 1)
    for shift in shifts:
        shift.requires_grad = False


def _undecided(up: Sequence[Tensor], beta: float) -> Tensor:
    """The mean of 1 - |2 h - 1|^beta over all weights."""
    total = sum(h.numel() for h in up)
    return torch.stack([(1 - (2 * h - 1).abs().pow(beta)).sum() for h in up]).sum() / total


def _nearest_error(rounding: Mapping[str, SoftRounding], loss: Loss) -> float:
    nearest = {name: _tensor(soft.nearest.dequantize()) for name, soft in rounding.items()}
    with torch.no_grad():
        error = sum(float(loss(nearest)) for _ in range(_BATCHES)) / _BATCHES
    return max(error, 1e-30)


def _tensor(x: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(x, np.float32))
