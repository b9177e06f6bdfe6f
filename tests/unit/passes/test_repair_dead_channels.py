"""A dead channel stretches the folded weights by gamma / sqrt(eps); repaired, it does not."""

import numpy as np
import pytest

from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.passes.fold_batchnorm import fold_batchnorm
from intact.passes.repair_dead_channels import dead_channels, repair_dead_channels
from tests.unit.passes.networks import constant, graph, node, real, run

EPS = 1e-5
GAMMA, BETA = 0.8, 0.3
DEAD = 2


def depthwise(variance: float = 0.0) -> Graph[FloatOp]:
    """x (N, 4, 6, 6) → depthwise convolution → BatchNorm; channel 2 of x is always 7.

    Its interior (no padding) is then constant, which its running statistics say.
    """
    rng = np.random.default_rng(0)
    weight = rng.uniform(-1, 1, size=(4, 1, 3, 3))
    mean, variances = rng.normal(size=4), rng.uniform(0.5, 2, size=4)
    mean[DEAD], variances[DEAD] = 7 * weight[DEAD].sum(), variance
    arrays = {
        "conv.weight": weight,
        "bn.weight": np.full(4, GAMMA),
        "bn.bias": np.full(4, BETA),
        "bn.running_mean": mean,
        "bn.running_var": variances,
    }
    x, y, z = real("x", -1, 4, 6, 6), real("conv", -1, 4, 4, 4), real("bn", -1, 4, 4, 4)
    values = [constant(name, array) for name, array in arrays.items()]
    conv = ops.Conv((1, 1), ((0, 0), (0, 0)), (1, 1), 4)
    nodes = [node(conv, y, x, values[0]), node(ops.BatchNorm(EPS), z, y, *values[1:])]
    return graph(x, nodes, arrays)


def samples() -> np.ndarray:
    x = np.random.default_rng(1).normal(size=(5, 4, 6, 6)).astype(np.float32)
    x[:, DEAD] = 7
    return x


def largest(network: Graph[FloatOp]) -> np.ndarray:
    """max |weight| of each channel."""
    return np.abs(fold_batchnorm(network).constants["conv.weight"]).max(axis=(1, 2, 3))


def test_the_range_blows_up_by_gamma_over_the_root_of_eps() -> None:
    network = depthwise()
    weight = np.abs(network.constants["conv.weight"]).max(axis=(1, 2, 3))
    blown = largest(network)
    assert blown[DEAD] / weight[DEAD] == pytest.approx(GAMMA / np.sqrt(EPS), rel=1e-6)
    others = np.delete(blown, DEAD)
    assert blown[DEAD] > 100 * others.max()  # all others share one code of 127 or so
    repaired = largest(repair_dead_channels(network))
    assert repaired[DEAD] == 0
    np.testing.assert_array_equal(np.delete(repaired, DEAD), others)


def test_float_outputs_stay_where_the_channel_is_dead() -> None:
    network = depthwise()
    (expected,) = run(network, samples())
    (repaired,) = run(repair_dead_channels(network), samples())
    np.testing.assert_array_equal(repaired[:, DEAD], np.float32(BETA))
    # Sums that differ in the last place are what 1 / sqrt(eps) makes of them.
    np.testing.assert_allclose(repaired, expected, atol=2e-3)
    np.testing.assert_array_equal(np.delete(repaired, DEAD, 1), np.delete(expected, DEAD, 1))


@pytest.mark.parametrize(("variance", "dead"), [(0.9e-9, True), (1.1e-9, False), (1e-6, False)])
def test_the_threshold_is_a_part_of_eps(variance: float, dead: bool) -> None:
    found = dead_channels(depthwise(variance))
    assert [name for name in found if found[name][DEAD]] == (["bn"] if dead else [])
    assert dead_channels(depthwise(variance), threshold=0.5)["bn"].tolist() == [
        False, False, variance < 5e-6, False,
    ]  # fmt: skip


def test_a_gamma_that_others_read_is_left_to_them() -> None:
    network = depthwise()
    y, z = network.outputs[0], real("again", -1, 4, 4, 4)
    living = network.constants | {"alive": np.ones(4, np.float32)}
    inputs = [*network.nodes[1].inputs[1:4], real("alive", 4)]
    nodes = (*network.nodes, node(ops.BatchNorm(EPS), z, y, *inputs))
    repaired = repair_dead_channels(Graph(network.inputs, (z,), nodes, living))
    first, second = (step.inputs[1].name for step in repaired.nodes[1:])
    assert first != second == "bn.weight"
    assert repaired.constants[first].tolist() == pytest.approx([GAMMA, GAMMA, 0, GAMMA])
    assert repaired.constants[second].tolist() == pytest.approx([GAMMA] * 4)


def test_nothing_to_repair_changes_nothing() -> None:
    network = depthwise(1.0)
    assert repair_dead_channels(network).nodes == network.nodes
    assert not dead_channels(fold_batchnorm(network))
