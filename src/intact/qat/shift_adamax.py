"""Shift-based AdaMax: an optimizer without products (Courbariaux, Hubara et al. 2016, alg. 4).

With the gradient g of step t, counted from 1:

    m = beta1 m + (1 - beta1) g
    v = max(beta2 v, |g|)
    x = x - AP2(lr / (1 - beta1**t)) m AP2(1 / v)

AP2 is the power of two nearest in logarithm, so that the last line needs shifts alone, and with the
defaults the first one, too. Binary weights are clipped after it: `clip_after_steps`. Their learning
rates have a power of two as factor: ``binary_groups(network, lr, shift=True)``.
"""

from collections.abc import Callable
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from intact.qat.shift import ap2


class ShiftAdaMax(Optimizer):
    """AdaMax with steps that are powers of two.

    Args:
        params: What trains, or groups of it.
        lr: The learning rate.
        betas: What is kept of m and v.
        eps: The smallest v that is divided by.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 2**-10,
        betas: tuple[float, float] = (1 - 2**-3, 1 - 2**-10),
        eps: float = 2**-27,
    ) -> None:
        if lr < 0 or not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"lr {lr} must not be negative, betas {betas} must be in [0, 1)")
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One update.

        Args:
            closure: Computes the loss and its gradients anew.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group)
        return loss

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = 0
            state["mean"], state["largest"] = (torch.zeros_like(parameter) for _ in range(2))
        state["step"] += 1
        beta1, beta2 = group["betas"]
        mean, largest = state["mean"], state["largest"]
        mean.mul_(beta1).add_(gradient, alpha=1 - beta1)
        torch.maximum(largest * beta2, gradient.abs(), out=largest)
        rate = group["lr"] / (1 - beta1 ** state["step"])
        size = float(ap2(torch.tensor(rate, dtype=torch.float64)))
        parameter.sub_(mean * ap2(1 / largest.clamp_min(group["eps"])), alpha=size)
