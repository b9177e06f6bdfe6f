"""Straight-through estimators: the value of one expression, the gradient of another.

Bengio et al. 2013, "Estimating or propagating gradients through stochastic neurons for conditional
computation". Written as y.detach() + (surrogate - surrogate.detach()), the value is y to the last
bit, so that the numbers that are trained are the numbers that ship; the usual surrogate +
(y - surrogate).detach() rounds twice.
"""

from torch import Tensor


def straight_through(y: Tensor, surrogate: Tensor) -> Tensor:
    """The value `y`, exactly, with the gradient of `surrogate`, which must be finite."""
    return y.detach() + (surrogate - surrogate.detach())
