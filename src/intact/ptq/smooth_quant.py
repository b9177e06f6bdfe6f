"""SmoothQuant: channels of activations that are large become smaller, the weights behind larger.

Xiao et al. 2023, "SmoothQuant: accurate and efficient post-training quantization for large language
models", eq. 4. One scale for a whole activation is set by its largest channel, and leaves few codes
for the others; weights have room. For each channel j that layers read, with X_j its numbers in
calibration and W_j the weights that read it,

    s_j = max|X_j|**alpha / max|W_j|**(1 - alpha),    X_j' = X_j / s_j,    W_j' = W_j s_j.

1. 1 / s goes into the gamma and beta of the normalization in front, or into the weights of the
   layer in front, so that nothing is added: where `norm_chains` and `chains` lead. What a sum reads
   as well, as behind the norms of BERT, cannot be scaled and is left.
2. A BatchNorm behind a layer counts as folded into its weights.
3. A channel that is always 0, or whose weights are, keeps s = 1.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.passes.chains import chains, norm_chains
from intact.passes.drop_dropout import drop_dropout
from intact.passes.equalize import LARGEST, SMALLEST, rescaled
from intact.ptq.magnitudes import AnyChain, Magnitudes, weight_magnitude
from intact.ptq.protocol import Batch, Progress


@dataclass(frozen=True, slots=True)
class SmoothQuant:
    """Moves what makes activations hard to quantize into weights; the function stays the same."""

    needs_samples: ClassVar[bool] = True

    alpha: float = 0.5  # 0: activations are left wide; 1: all of their differences move

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha is a share between 0 and 1, not {self.alpha}")

    def __call__(
        self, graph: Graph[FloatOp], batches: Iterable[Batch], progress: Progress
    ) -> Graph[FloatOp]:
        """The network with smoother activations.

        Raises:
            CalibrationError: if there are no samples.
        """
        graph = drop_dropout(graph)
        found: list[AnyChain] = [*norm_chains(graph), *chains(graph)]
        magnitudes = Magnitudes(graph, found, batches, progress)
        for chain in found:
            x = magnitudes.largest(chain)
            parts = [weight_magnitude(graph, layer, chain.channels) for layer in chain.second]
            w = np.max(parts, axis=0)
            alive = (x > 0) & (w > 0)
            x, w = np.where(alive, x, 1), np.where(alive, w, 1)
            s = np.clip(x**self.alpha / w ** (1 - self.alpha), SMALLEST, LARGEST)
            graph = rescaled(graph, chain, np.where(alive, s, 1))
        return graph
