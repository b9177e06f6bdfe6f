"""QatRecipe: the rules of a training method for any network."""

import glob
from collections.abc import Sequence
from dataclasses import dataclass, replace

from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.passes.inference import for_inference
from intact.qat.batchnorm import BatchNormTraining
from intact.qat.plan import layers
from intact.qat.products import Arithmetic
from intact.qat.protocol import QatRule


@dataclass(frozen=True, kw_only=True)
class QatRecipe:
    """Rules, how BatchNorms train, and what layers multiply.

    `ends` is for the first and the last layer, which the papers on few bits keep wider than the
    rest; None: they follow the rules like all others.
    """

    rules: Sequence[QatRule]
    ends: QatRule | None = None
    batchnorm: BatchNormTraining = BatchNormTraining()  # noqa: RUF009  # it is frozen
    arithmetic: Arithmetic = Arithmetic.REAL

    def for_graph(self, graph: Graph[FloatOp]) -> tuple[QatRule, ...]:
        """The rules for a captured network, those of its ends first."""
        found = layers(graph, for_inference(graph).nodes)
        if self.ends is None or not found:
            return tuple(self.rules)
        ends = dict.fromkeys((found[0], found[-1]))
        return (*(replace(self.ends, match=glob.escape(n)) for n in ends), *self.rules)
