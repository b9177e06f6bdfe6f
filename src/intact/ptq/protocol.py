"""What post-training quantization asks of a way to quantize weights."""

from typing import Protocol, TypeAlias

from torch import Tensor

from intact.model import Dynamic
from intact.numerics.qtensor import QTensor
from intact.observers import Observer
from intact.rules import Rule


class WeightMethod(Protocol):
    """Settings of a way to quantize a layer's weight."""

    def __call__(self, weight: Tensor, inputs: Tensor | None) -> QTensor:
        """The weight as codes.

        Args:
            weight: Output channels (of an embedding: rows) along axis 0, input channels along
                axis 1; float32.
            inputs: What the layer reads in calibration; None where the method is not given it.
        """


PtqRule: TypeAlias = Rule[WeightMethod, Observer | Dynamic]
