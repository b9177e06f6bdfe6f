"""Preparations of a network without samples (Nagel et al. 2019, section 4.1)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.passes.absorb_bias import absorb_bias
from intact.passes.drop_dropout import drop_dropout
from intact.passes.equalize import equalize
from intact.passes.relu6_to_relu import relu6_to_relu
from intact.ptq.protocol import Batch, Progress


@dataclass(frozen=True, slots=True)
class Equalize:
    """Equal weight ranges for the channels between two layers; the function stays the same.

    `symmetric`: the ranges are those of weights without zero point. `keep_bounds`: ReLU6 becomes a
    bound for each channel; otherwise it becomes ReLU first, as in the paper, which costs accuracy.
    """

    needs_samples: ClassVar[bool] = False

    symmetric: bool = True
    keep_bounds: bool = True

    def __call__(
        self,
        graph: Graph[FloatOp],
        batches: Iterable[Batch],  # noqa: ARG002
        progress: Progress,
    ) -> Graph[FloatOp]:
        """The equalized network."""
        progress("equalizing", 0)
        graph = drop_dropout(graph)
        return equalize(
            graph if self.keep_bounds else relu6_to_relu(graph), symmetric=self.symmetric
        )


@dataclass(frozen=True, slots=True)
class AbsorbBias:
    """Moves what a ReLU leaves alone into the next layer's bias, as `absorb_bias` says."""

    needs_samples: ClassVar[bool] = False

    deviations: float = 3.0
    across_borders: bool = False

    def __call__(
        self,
        graph: Graph[FloatOp],
        batches: Iterable[Batch],  # noqa: ARG002
        progress: Progress,  # noqa: ARG002
    ) -> Graph[FloatOp]:
        """The network with smaller biases in front of ReLUs."""
        return absorb_bias(
            drop_dropout(graph), deviations=self.deviations, across_borders=self.across_borders
        )
