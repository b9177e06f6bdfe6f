"""What the products of layers are computed from while a network trains.

A layer y = x w^T and its backward pass are three products:

    forward:          y  = x w^T
    input's gradient: dx = g w
    weight's:         dw = g^T x

Where both operands are levels times a step, x = s_x X, w = s_w W, g = s_g G, a product of whole
numbers remains, and its scale is applied to the sum: y = (X W^T) (s_x s_w), dx = (G W) (s_g s_w)
and dw = (G^T X) (s_g s_x).
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol, TypeAlias

from torch import Tensor

from intact.ir import float_ops as ops
from intact.qat.levels import Levels, Steps


class Arithmetic(Enum):
    """How the products of layers with weights are computed in training.

    LEVELS and INTEGERS give equal numbers, to the last bit; those of REAL differ from them by the
    rounding of float32.
    """

    REAL = "real"  # of real numbers, in float32
    LEVELS = "levels"  # of whole numbers, in float32, or float64 where sums reach 2**24
    INTEGERS = "integers"  # of 8-bit codes, with 32-bit sums, by the native engine on a CPU


class Product(Enum):
    """One of a layer's three."""

    FORWARD = "forward"
    INPUT_GRADIENT = "input's gradient"
    WEIGHT_GRADIENT = "weight's gradient"


@dataclass(frozen=True, slots=True)
class Operand:
    """Levels in the form that an arithmetic multiplies: values less a zero point."""

    values: Tensor  # float32, or contiguous int8
    steps: Steps
    zero_point: int = 0
    channels_last: bool = False  # (N, H, W, C), of a weight (O, kh, kw, C)

    def real(self) -> Tensor:
        """The numbers."""
        values = self.values.permute(0, 3, 1, 2) if self.channels_last else self.values
        return Levels(values.float() - self.zero_point, self.steps).real()

    def sample(self, number: int) -> "Operand":
        """One of the batch, as a batch of one."""
        return replace(self, values=self.values[number : number + 1])


class Multiplier(Protocol):
    """The products of one layer's whole numbers; sums are exact, of any dtype that holds them.

    x is (N, ..., I) or (N, C, H, W), weights are (O, I) or (O, C, kh, kw).
    """

    def operand(self, levels: Levels) -> Operand:
        """Ready to be multiplied."""

    def forward(self, x: Operand, weight: Operand) -> Tensor:
        """The output's sums."""

    def input_gradient(self, g: Operand, weight: Operand, shape: tuple[int, ...]) -> Tensor:
        """Those of the gradient of x, of x's shape."""

    def weight_gradient(self, g: Operand, x: Operand, shape: tuple[int, ...]) -> Tensor:
        """Those of the gradient of the weight, over all samples."""


Layer: TypeAlias = ops.Conv | ops.Linear
