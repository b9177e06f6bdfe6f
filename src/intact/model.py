"""QuantizedModel, the waist: every algorithm ends in it, `lower` starts from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.numerics.formats import Int
from intact.numerics.qtensor import QTensor, QuantParams


@dataclass(frozen=True, slots=True)
class Dynamic:
    """An activation that each layer which reads it quantizes at run time, symmetrically.

    One scale for each sample of a convolution and each row of a linear layer, so that results do
    not depend on how a batch is cut (TFLite's dynamic-range mode).
    """

    format: Int


ActivationParams: TypeAlias = QuantParams | Dynamic


@dataclass(frozen=True, slots=True)
class QuantizedModel:
    """A graph without BatchNorm and Dropout, and what was decided about its tensors.

    `activations` names the values that `placement` of the graph observes, and constants that
    stand where activations may (an addend, a class token).
    """

    graph: Graph[FloatOp]
    weights: Mapping[str, QTensor]  # by constant name; absent: stays float
    activations: Mapping[str, ActivationParams]  # by value name; absent: stays float
