"""The sockets of training: what stands in for a weight or an activation while it is trained."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor

from intact.errors import CalibrationError
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.numerics.formats import Binary, Int, Ternary
from intact.numerics.qtensor import QTensor, QuantParams


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


@runtime_checkable
class TakesOver(Protocol):
    """A `FakeWeight` whose own parameters train in place of the weight."""

    def take_over(self, weight: Tensor) -> None:
        """Called once with the network's parameter, which is to stand still."""


@runtime_checkable
class Ending(Protocol):
    """A quantizer that trains in another way until something has ended."""

    def unended(self, batches: int) -> str | None:
        """What has not ended, so that what is converted is not what was trained, and what to do.

        Args:
            batches: That the network was trained with; calibration is no training.
        """


class FakeActivation(Protocol):
    """An `nn.Module` that rounds an activation to its codes, with a gradient."""

    @property
    def format(self) -> Int | Binary | Ternary:
        """Of the codes."""

    def __call__(self, x: Tensor) -> Tensor:
        """The numbers that the next layer reads; in training it may learn its range from them."""

    def params(self) -> QuantParams:
        """What the codes mean: one scale.

        Raises:
            CalibrationError: if no data were seen.
        """


def oriented(op: FloatOp, weight: Tensor) -> Tensor:
    """A weight with output channels along axis 0, and back: of a ConvTranspose they are axis 1."""
    return weight.transpose(0, 1) if isinstance(op, ops.ConvTranspose) else weight


def no_data() -> CalibrationError:
    """The error of an activation that never ran in training mode."""
    return CalibrationError(
        "an activation's quantizer saw no data; run some batches in training mode"
    )


class GradientQuantizer(Protocol):
    """An `nn.Module` that rounds the gradient which arrives at a layer's output."""

    def __call__(self, gradient: Tensor) -> Tensor:
        """The gradient that goes on backwards; of the same shape and dtype."""


@dataclass(frozen=True, kw_only=True)
class QatRule:
    """What the nodes whose names match the glob get: the first rule that matches decides.

    `match` is that of `intact.rules.Rule`. Makers are called once for each tensor that they
    quantize: ``QatRule(weight=partial(LsqWeight, format=Int(4, narrow=True)))``.

    A layer's `input` is for its reading alone: a value that others read too, such as the residual
    stream, keeps what its own rule gives it, and the layer reads codes of its own, named
    ``<layer>.input``. A value that nothing else reads gets the `input` of its reader in place of
    its own `activation`, and is rounded once.
    """

    match: str = "*"
    weight: Callable[[Tensor], FakeWeight] | None = None  # None: stays float
    activation: Callable[[], FakeActivation] | None = None  # of the output; None: stays float
    input: Callable[[], FakeActivation] | None = None  # None: as it comes
    gradient: Callable[[], GradientQuantizer] | None = None  # at the layer's output; None: float
