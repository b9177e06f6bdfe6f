"""A clamp from 8 bits to fewer is a table of the nearest codes."""

import numpy as np
import pytest

from intact.exec import reference
from intact.ir import float_ops as ops
from intact.ir import int_ops
from intact.ir.graph import Graph, Node, Value
from intact.lower.lower import lower
from intact.model import QuantizedModel
from intact.numerics.formats import FP32, Int
from intact.numerics.qtensor import QuantParams


def _params(bits: int, scale: float, zero_point: int) -> QuantParams:
    return QuantParams(Int(bits), np.asarray(scale, np.float32), np.asarray(zero_point))


@pytest.mark.parametrize("op", [ops.Clamp(None, None), ops.Clamp(0.0, 1.0), ops.Relu()], ids=str)
@pytest.mark.parametrize("bits", [2, 4, 7])
def test_each_code_is_the_nearest(op: ops.Clamp | ops.Relu, bits: int) -> None:
    x, y = Value("x", (-1, 256), FP32), Value("y", (-1, 256), FP32)
    graph = Graph((x,), (y,), (Node(op, (x,), y),), {})
    wide, narrow = _params(8, 0.062, -128), _params(bits, 15.8 / 2**bits, -(2 ** (bits - 1)))
    program = lower(QuantizedModel(graph, {}, {"x": wide, "y": narrow}))
    assert any(isinstance(node.op, int_ops.Lookup) for node in program.nodes)
    codes = np.arange(-128, 128)
    real = np.asarray(wide.dequantize(codes), np.float64)
    clamped = np.clip(real, 0, 1 if op == ops.Clamp(0.0, 1.0) else np.inf)
    wanted = narrow.dequantize(narrow.quantize(clamped))
    (found,) = reference.load(program)({"x": real.astype(np.float32)[None]}).values()
    np.testing.assert_array_equal(found[0], wanted)
