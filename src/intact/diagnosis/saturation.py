"""Where a runtime of 16-bit pair sums computes other integers than the network has.

On x86 without VNNI, runtimes multiply unsigned activations by signed weights with `vpmaddubsw`,
which adds two products and saturates at 16 bits (onnxruntime#14642, nncf#1498, oneDNN#1354):

    u1 w1 + u2 w2  is cut off at -2**15 and 2**15 - 1,   0 <= u <= 255,  -128 <= w <= 127.

intact's own kernels, and LiteRT's, never do that; signed activations are safe everywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from intact.diagnosis.evidence import Evidence
from intact.ir import int_ops
from intact.ir.graph import Node
from intact.ir.int_ops import IntOp, Program
from intact.numerics.arrays import IntArray
from intact.numerics.formats import Int
from intact.numerics.qtensor import scalar_scale, scalar_zero_point

_LOW, _HIGH = -(2**15), 2**15 - 1


@dataclass(frozen=True, slots=True)
class ForeignSaturation:
    """A layer that saturates in such a runtime with activations as large as those seen."""

    layer: str
    share: float  # of its pairs of weights

    def __str__(self) -> str:
        """As a sentence."""
        return (
            f'"{self.layer}" reads unsigned 8-bit codes: with {100 * self.share:.2g} % of its pairs'
            " of weights, sums of two products may exceed 16 bits and be cut off in other runtimes"
            " on x86 without VNNI (ONNX Runtime, oneDNN). Signed codes, Int(8), are safe"
        )


def foreign_saturation(
    program: Program, layers: Mapping[str, Evidence]
) -> tuple[ForeignSaturation, ...]:
    """The layers that may saturate, those with most pairs first.

    Args:
        program: What is exported.
        layers: What samples showed, by the name of the Program's value; others may be 255.
    """
    found = [
        ForeignSaturation(node.name, share)
        for node in program.nodes
        if (share := _share(node, program, layers)) > 0
    ]
    return tuple(sorted(found, key=lambda one: -one.share))


def _share(node: Node[IntOp], program: Program, layers: Mapping[str, Evidence]) -> float:
    """The share of pairs of weights whose sum may leave 16 bits."""
    if not isinstance(node.op, int_ops.QConv2d | int_ops.QLinear):
        return 0.0
    x, weight = node.inputs[0], node.inputs[1]
    unsigned = x.dtype == Int(8, signed=False)
    eight = isinstance(weight.dtype, Int) and weight.dtype.bits == 8 and weight.dtype.signed
    if not (unsigned and eight) or weight.name not in program.constants:
        return 0.0
    if isinstance(node.op, int_ops.QConv2d) and node.op.groups > 1:
        return 0.0  # depthwise kernels multiply otherwise
    codes = program.constants[weight.name].astype(np.int64)
    products = codes * largest_codes(x.name, codes.shape[-1], layers)
    rows = products.reshape(len(products), -1)
    pairs = rows[:, : rows.shape[1] // 2 * 2].reshape(len(rows), -1, 2)
    high = np.maximum(pairs, 0).sum(axis=-1) > _HIGH
    low = np.minimum(pairs, 0).sum(axis=-1) < _LOW
    return float((high | low).mean()) if pairs.size else 0.0


def largest_codes(name: str, channels: int, layers: Mapping[str, Evidence]) -> IntArray:
    """(channels,): the largest code of each channel of a value, as far as samples show it."""
    found = layers.get(name)
    params = None if found is None else found.node.output.params
    if found is None or params is None or found.high.size != channels:
        return np.full(channels, 255, np.int64)
    codes = np.rint(found.high / scalar_scale(params)) + scalar_zero_point(params)
    return np.asarray(np.clip(codes, 0, 255).astype(np.int64))
