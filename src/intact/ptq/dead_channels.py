"""DeadChannelRepair: channels without variance become the constants that they are."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.passes.repair_dead_channels import THRESHOLD, repair_dead_channels
from intact.ptq.protocol import Batch, Progress


@dataclass(frozen=True, slots=True)
class DeadChannelRepair:
    """`repair_dead_channels`: BatchNorm channels whose variance is at most `threshold` * eps."""

    needs_samples: ClassVar[bool] = False

    threshold: float = THRESHOLD

    def __post_init__(self) -> None:
        if not 0 <= self.threshold < 1:
            raise ValueError(f"threshold must be in [0, 1), not {self.threshold}")

    def __call__(
        self,
        graph: Graph[FloatOp],
        batches: Iterable[Batch],  # noqa: ARG002
        progress: Progress,  # noqa: ARG002
    ) -> Graph[FloatOp]:
        """The repaired network; needs no samples."""
        return repair_dead_channels(graph, self.threshold)
