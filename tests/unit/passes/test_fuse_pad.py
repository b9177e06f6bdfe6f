"""Zero padding moves into a convolution, and into nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intact.ir import float_ops as ops
from intact.passes.fuse_pad import fuse_pad
from tests.unit.passes.networks import constant, graph, node, op_names, real, run

_SIDE = st.integers(0, 2)
_PAIRS = st.tuples(st.tuples(_SIDE, _SIDE), st.tuples(_SIDE, _SIDE))


def _network(pad: ops.Pad, padding: ops.Pads, extra_reader: bool = False):
    (top, bottom), (left, right) = pad.pads[2:]
    height, width = 4 + top + bottom, 5 + left + right
    x = real("x", -1, 2, 4, 5)
    padded = node(pad, real("pad", -1, 2, height, width), x)
    (above, below), (before, after) = padding
    out = real("conv", -1, 3, height + above + below - 2, width + before + after - 2)
    weight = np.random.default_rng(0).normal(size=(3, 2, 3, 3))
    conv = node(ops.Conv((1, 1), padding, (1, 1)), out, padded.output, constant("w", weight))
    nodes = [padded, conv]
    if extra_reader:
        nodes.append(node(ops.Relu(), real("relu", *padded.output.shape), padded.output))
    outputs = [step.output for step in nodes[1:]]
    return graph(x, nodes, {"w": weight}, *outputs)


def _input():
    return np.random.default_rng(1).normal(size=(2, 2, 4, 5)).astype(np.float32)


@given(_PAIRS, _PAIRS)
def test_padding_adds_up_in_the_convolution(pads, padding):
    network = _network(ops.Pad(((0, 0), (0, 0), *pads)), padding)

    fused = fuse_pad(network)

    assert op_names(fused) == ["Conv"]
    np.testing.assert_allclose(run(fused, _input())[0], run(network, _input())[0], atol=1e-5)


@pytest.mark.parametrize(
    "pad",
    [
        ops.Pad(((0, 0), (0, 0), (0, 1), (0, 1)), value=1.0),
        ops.Pad(((0, 0), (0, 0), (1, 1), (1, 1)), mode=ops.PadMode.REFLECT),
    ],
    ids=["constant one", "reflect"],
)
def test_other_padding_stays(pad):
    network = _network(pad, ((0, 0), (0, 0)))
    assert fuse_pad(network) == network


def test_padding_that_something_else_reads_stays():
    network = _network(ops.Pad(((0, 0), (0, 0), (0, 1), (0, 1))), ((0, 0), (0, 0)), True)
    assert fuse_pad(network) == network


def test_padded_channels_stay():
    x = real("x", -1, 1, 4, 4)
    pad = node(ops.Pad(((0, 0), (0, 1), (0, 0), (0, 0))), real("pad", -1, 2, 4, 4), x)
    weight = np.ones((1, 2, 1, 1))
    op = ops.Conv((1, 1), ((0, 0), (0, 0)), (1, 1))
    conv = node(op, real("conv", -1, 1, 4, 4), pad.output, constant("w", weight))
    network = graph(x, [pad, conv], {"w": weight})
    assert fuse_pad(network) == network
