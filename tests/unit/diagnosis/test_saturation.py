import numpy as np
import pytest

from intact.diagnosis.saturation import foreign_saturation
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, Value
from intact.lower.lower import lower
from intact.model import QuantizedModel
from intact.numerics.formats import FP32, Int
from intact.numerics.qtensor import QuantParams, ScaledTensor


def linear(weight: list[int], activation: Int) -> QuantizedModel:
    """x (N, 4) times one row of codes."""
    codes = np.array([weight], np.int8)
    x, out = Value("x", (-1, 4), FP32), Value("out", (-1, 1), FP32)
    real = codes.astype(np.float32)
    node: Node[FloatOp] = Node(ops.Linear(), (x, Value("w", (1, 4), FP32)), out)
    params = QuantParams(activation, np.float32(1), np.asarray(0))
    scaled = ScaledTensor(codes, QuantParams(Int(8), np.ones((1, 1), np.float32)))
    graph = Graph((x,), (out,), (node,), {"w": real})
    return QuantizedModel(graph, {"w": scaled}, {"x": params, "out": params})


@pytest.mark.parametrize(
    ("weight", "share"),
    [
        ([127, 127, 0, 0], 0.5),  # 255 * 254 = 64770: over; the other pair is not
        ([64, 64, 64, 65], 0.5),  # 255 * 128 = 32640: just not; 255 * 129 = 32895: over
        ([127, -127, -64, -64], 0.0),  # of different signs; -32640
        ([-64, -65, -128, -128], 1.0),
    ],
)
def test_pairs_of_products_beyond_16_bits_are_counted(weight: list[int], share: float) -> None:
    program = lower(linear(weight, Int(8, signed=False)))
    found = foreign_saturation(program, {})
    assert sum(one.share for one in found) == share


def test_signed_activations_are_safe() -> None:
    assert foreign_saturation(lower(linear([127, 127, 127, 127], Int(8))), {}) == ()
