"""Dropout, dead code, and all passes in order."""

import numpy as np

from intact.ir import float_ops as ops
from intact.passes.dead_code import dead_code
from intact.passes.drop_dropout import drop_dropout
from intact.passes.inference import for_inference
from tests.unit.passes.networks import constant, graph, node, op_names, real, run

_RNG = np.random.default_rng(0)


def _dropouts(as_output: bool):
    x = real("x", -1, 4)
    relu = node(ops.Relu(), real("relu", -1, 4), x)
    first = node(ops.Dropout(0.5), real("drop1", -1, 4), relu.output)
    second = node(ops.Dropout(0.5), real("drop2", -1, 4), first.output)
    tanh = node(ops.Tanh(), real("tanh", -1, 4), second.output)
    return graph(x, [relu, first, second] + ([] if as_output else [tanh]), {})


def test_readers_of_a_dropout_read_its_input():
    dropped = drop_dropout(_dropouts(as_output=False))
    assert [step.name for step in dropped.nodes] == ["relu", "tanh"]
    assert dropped.nodes[1].inputs == (dropped.nodes[0].output,)


def test_an_output_that_a_dropout_wrote_becomes_its_input():
    dropped = drop_dropout(_dropouts(as_output=True))
    assert [value.name for value in dropped.outputs] == ["relu"]


def test_dead_nodes_and_constants_go_and_inputs_stay():
    x = real("x", -1, 4)
    relu = node(ops.Relu(), real("relu", -1, 4), x)
    unread = node(ops.Add(), real("add", -1, 4), relu.output, constant("c", np.ones(4)))
    last = node(ops.Tanh(), real("tanh", -1, 4), unread.output)
    network = graph(x, [relu, unread, last], {"c": np.ones(4), "d": np.ones(2)}, x)

    alive = dead_code(network)

    assert alive.nodes == ()
    assert alive.constants == {}
    assert alive.inputs == (x,)
    assert alive.outputs == (x,)


def _everything():
    x = real("x", -1, 2, 4, 4)
    pad = node(ops.Pad(((0, 0), (0, 0), (0, 1), (0, 1))), real("pad", -1, 2, 5, 5), x)
    weight = _RNG.normal(size=(3, 2, 3, 3))
    op = ops.Conv((2, 2), ((0, 0), (0, 0)), (1, 1))
    conv = node(op, real("conv", -1, 3, 2, 2), pad.output, constant("conv.weight", weight))
    drop = node(ops.Dropout(0.1), real("drop", -1, 3, 2, 2), conv.output)
    stats = {f"bn.{name}": np.full(3, 0.5) for name in ("weight", "bias", "mean", "var")}
    norm = node(
        ops.BatchNorm(1e-5),
        real("bn", -1, 3, 2, 2),
        drop.output,
        *(constant(name, array) for name, array in stats.items()),
    )
    relu = node(ops.Relu(), real("relu", -1, 3, 2, 2), norm.output)
    return graph(x, [pad, conv, drop, norm, relu], {"conv.weight": weight, **stats})


def test_for_inference_leaves_one_convolution_of_a_block():
    network = _everything()
    inference = for_inference(network)
    x = _RNG.normal(size=(2, 2, 4, 4)).astype(np.float32)

    assert op_names(inference) == ["Conv", "Relu"]
    assert set(inference.constants) == {"conv.weight", "conv.bias"}
    np.testing.assert_allclose(run(inference, x)[0], run(network, x)[0], atol=1e-5)


def test_for_inference_twice_changes_nothing():
    once = for_inference(_everything())
    twice = for_inference(once)

    assert twice.nodes == once.nodes
    assert all(twice.constants[name] is array for name, array in once.constants.items())
