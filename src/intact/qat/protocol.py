"""The sockets of training: what stands in for a weight or an activation while it is trained."""

from collections.abc import Callable
from typing import Protocol, TypeAlias

from torch import Tensor

from intact.errors import CalibrationError
from intact.numerics.formats import Int
from intact.numerics.qtensor import QTensor, QuantParams
from intact.rules import Rule


class FakeWeight(Protocol):
    """An `nn.Module` that gives a weight's quantized numbers, with a gradient.

    ``freeze(x).dequantize() == self(x)``, exactly: what is trained is what ships.
    """

    def __call__(self, x: Tensor) -> Tensor:
        """The numbers that the layer computes with.

        Args:
            x: Output channels along axis 0, input channels along axis 1; float32.
        """

    def freeze(self, x: Tensor) -> QTensor:
        """The same as codes."""


class FakeActivation(Protocol):
    """An `nn.Module` that rounds an activation to its codes, with a gradient."""

    format: Int  # of the codes

    def __call__(self, x: Tensor) -> Tensor:
        """The numbers that the next layer reads; in training it may learn its range from them."""

    def params(self) -> QuantParams:
        """What the codes mean: one scale.

        Raises:
            CalibrationError: if no data were seen.
        """


def no_data() -> CalibrationError:
    """The error of an activation that never ran in training mode."""
    return CalibrationError(
        "an activation's quantizer saw no data; run some batches in training mode"
    )


QatRule: TypeAlias = Rule[Callable[[Tensor], FakeWeight], Callable[[], FakeActivation]]
