"""Layers of a block are rounded together, for what the block gives."""

import numpy as np
import torch

from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node
from intact.model import QuantizedModel
from intact.numerics.formats import Int
from intact.numerics.qtensor import QTensor, QuantParams, ScaledTensor
from intact.ptq import AdaRound, Brecq, Refinement, silent
from tests.unit.ptq.networks import real

_PARAMS = QuantParams(Int(4, narrow=True), np.ones((1, 1), np.float32))
_X = torch.randn(64, 1, generator=torch.Generator().manual_seed(0))


def _residual(first: float, second: float) -> Graph[FloatOp]:
    """h + second * first * h for h = hardswish(x); without h, x would be read in two blocks."""
    x, h, a, b, y = (real(name, -1, 1) for name in "xhaby")
    nodes = (
        Node(ops.HardSwish(), (x,), h),
        Node(ops.Linear(), (h, real("first", 1, 1)), a),
        Node(ops.Linear(), (a, real("second", 1, 1)), b),
        Node(ops.Add(), (h, b), y),
    )
    constants = {"first": np.array([[first]]), "second": np.array([[second]])}
    arrays = {name: number.astype(np.float32) for name, number in constants.items()}
    return Graph((x,), (y,), nodes, arrays)


def _codes(method: Refinement, first: float, second: float) -> list[int]:
    graph = _residual(first, second)
    weights: dict[str, QTensor] = {
        name: ScaledTensor(_PARAMS.quantize(array), _PARAMS)
        for name, array in graph.constants.items()
    }
    found = method(QuantizedModel(graph, weights, {}), graph, [_X], silent).weights
    return [int(found[name].dequantize()[0, 0]) for name in ("first", "second")]


def test_a_block_finds_what_its_layers_alone_do_not() -> None:
    # The product shall be 2.45 * 1.25 = 3.06. Layer by layer the first becomes 2, and the product
    # 2 or 4; together 3 and 1 have it nearly right. (2, 1), (2, 2) and (3, 2) give 2, 4 and 6.
    assert _codes(Brecq(), 2.45, 1.25) == [3, 1]
    assert _codes(AdaRound(), 2.45, 1.25) in ([2, 1], [2, 2])
