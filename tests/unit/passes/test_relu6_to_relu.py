"""ReLU6 without its bound."""

import numpy as np

from intact.ir import float_ops as ops
from intact.passes.relu6_to_relu import relu6_to_relu
from tests.unit.passes.networks import graph, node, op_names, real, run


def test_only_clipped_relus_lose_their_bound() -> None:
    clamps = [ops.Clamp(0, 6), ops.Clamp(-1, 1), ops.Clamp(0, None), ops.Clamp(None, 3)]
    x = real("x", -1, 4)
    values = [x, *(real(f"y{i}", -1, 4) for i in range(4))]
    steps = [node(op, values[i + 1], values[i]) for i, op in enumerate(clamps)]
    assert op_names(relu6_to_relu(graph(x, steps, {}))) == ["Relu", "Clamp", "Relu", "Clamp"]
    unbounded = relu6_to_relu(graph(x, steps[:1], {}))
    numbers = np.array([[-2.0, 1.0, 6.0, 9.0]], np.float32)
    np.testing.assert_array_equal(run(unbounded, numbers)[0], [[0, 1, 6, 9]])
