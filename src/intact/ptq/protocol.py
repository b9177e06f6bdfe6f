"""What post-training quantization asks of its parts: each is settings, called with data."""

from collections.abc import Iterable, Sequence
from typing import ClassVar, Protocol, TypeAlias

from torch import Tensor

from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.model import Dynamic, QuantizedModel
from intact.numerics.qtensor import QTensor
from intact.observers import Observer
from intact.rules import Rule

Batch: TypeAlias = Tensor | Sequence[Tensor]  # in the order of the graph's inputs


class Progress(Protocol):
    """Is told what is being done, and how much of it."""

    def __call__(self, what: str, done: int, total: int | None = None, /) -> None:
        """Called now and then; `total` is None where it is not known."""


def silent(what: str, done: int, total: int | None = None, /) -> None:
    """The `Progress` that nobody sees."""


class WeightMethod(Protocol):
    """Settings of a way to quantize a layer's weight by itself."""

    def __call__(self, weight: Tensor, inputs: Tensor | None) -> QTensor:
        """The weight as codes.

        Args:
            weight: Output channels (of an embedding: rows) along axis 0, input channels along
                axis 1; float32.
            inputs: What the layer reads in calibration; None where the method is not given it.
        """


class Preparation(Protocol):
    """Settings of a change of the float network before anything is quantized."""

    needs_samples: ClassVar[bool]  # whether it reads calibration data

    def __call__(
        self, graph: Graph[FloatOp], batches: Iterable[Batch], progress: Progress
    ) -> Graph[FloatOp]:
        """A network of the same inputs and outputs that loses less when it is quantized.

        Args:
            graph: The captured network, its BatchNorms not folded.
            batches: Calibration data, which may be read several times; empty where there are none.
            progress: Told of what takes long.

        Raises:
            CalibrationError: if it needs samples and there are none.
        """


class Refinement(Protocol):
    """Settings of a search for better codes, scales or biases of a quantized network."""

    def __call__(
        self,
        model: QuantizedModel,
        reference: Graph[FloatOp],
        batches: Iterable[Batch],
        progress: Progress,
    ) -> QuantizedModel:
        """A better network with the same layers.

        Args:
            model: The network as the rules quantize it, and refined by what came before.
            reference: The float network that it shall come close to, without BatchNorm; its values
                have the model's names.
            batches: As for a `Preparation`.
            progress: Told of what takes long.

        Raises:
            CalibrationError: if it needs samples and there are none.
        """


PtqRule: TypeAlias = Rule[WeightMethod, Observer | Dynamic]
