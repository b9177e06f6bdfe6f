"""Folding keeps the function, whether or not a layer can take the BatchNorm."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, Value
from intact.numerics.arrays import Array
from intact.passes.fold_batchnorm import fold_batchnorm
from tests.unit.passes.networks import constant, graph, node, op_names, real, run

_BATCH_NORM = ops.BatchNorm(eps=1e-3)


def _norm(
    name: str, x: Value, channels: int, rng: np.random.Generator
) -> tuple[Node[FloatOp], dict[str, Array]]:
    arrays = {
        f"{name}.weight": rng.normal(size=channels),
        f"{name}.bias": rng.normal(size=channels),
        f"{name}.running_mean": rng.normal(size=channels),
        f"{name}.running_var": rng.uniform(0.01, 4, size=channels),
    }
    params = [constant(key, array) for key, array in arrays.items()]
    return node(_BATCH_NORM, real(name, *x.shape), x, *params), arrays


def _layer(
    op: FloatOp, x: Value, out: Value, weight: Array, bias: Array | None
) -> tuple[Node[FloatOp], dict[str, Array]]:
    arrays = {"layer.weight": weight} | ({} if bias is None else {"layer.bias": bias})
    return node(op, out, x, *(constant(k, a) for k, a in arrays.items())), arrays


def _conv(groups: int, inputs: int, outputs: int, bias: bool, rng: np.random.Generator):
    x = real("x", -1, groups * inputs, 5, 4)
    out = real("layer", -1, groups * outputs, 3, 2)
    op = ops.Conv((2, 2), ((1, 1), (1, 0)), (1, 1), groups)
    weight = rng.normal(size=(groups * outputs, inputs, 3, 3))
    return x, _layer(op, x, out, weight, rng.normal(size=groups * outputs) if bias else None)


def _conv_transpose(groups: int, inputs: int, outputs: int, bias: bool, rng: np.random.Generator):
    x = real("x", -1, groups * inputs, 3, 2)
    out = real("layer", -1, groups * outputs, 6, 4)
    op = ops.ConvTranspose((2, 2), ((1, 1), (1, 1)), (1, 1), (1, 1), groups)
    weight = rng.normal(size=(groups * inputs, outputs, 3, 3))
    return x, _layer(op, x, out, weight, rng.normal(size=groups * outputs) if bias else None)


def _linear(groups: int, inputs: int, outputs: int, bias: bool, rng: np.random.Generator):
    x, out = real("x", -1, inputs), real("layer", -1, groups * outputs)
    weight = rng.normal(size=(groups * outputs, inputs))
    bias_array = rng.normal(size=groups * outputs) if bias else None
    return x, _layer(ops.Linear(), x, out, weight, bias_array)


def _input(network: Graph[FloatOp], rng: np.random.Generator) -> Array:
    return rng.normal(size=(3, *network.inputs[0].shape[1:])).astype(np.float32)


def _assert_same(folded: Graph[FloatOp], original: Graph[FloatOp], x: Array) -> None:
    for mine, theirs in zip(run(folded, x), run(original, x), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-4)


@given(
    st.sampled_from([_conv, _conv_transpose, _linear]),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 3),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_folding_into_a_layer_keeps_the_function(build, groups, inputs, outputs, bias, seed):
    rng = np.random.default_rng(seed)
    x, (layer, constants) = build(groups, inputs, outputs, bias, rng)
    norm, parameters = _norm("bn", layer.output, groups * outputs, rng)
    relu = node(ops.Relu(), real("relu", *norm.output.shape), norm.output)
    network = graph(x, [layer, norm, relu], {**constants, **parameters})

    folded = fold_batchnorm(network)

    assert op_names(folded) == [type(layer.op).__name__, "Relu"]
    assert [step.name for step in folded.nodes] == ["layer", "relu"]
    assert set(folded.constants) == {"layer.weight", "layer.bias"}
    _assert_same(folded, network, _input(network, rng))


def test_two_batchnorms_in_a_row_fold_into_one_layer():
    rng = np.random.default_rng(0)
    x, (layer, constants) = _conv(1, 2, 3, True, rng)
    first, a = _norm("bn1", layer.output, 3, rng)
    second, b = _norm("bn2", first.output, 3, rng)
    network = graph(x, [layer, first, second], {**constants, **a, **b})

    folded = fold_batchnorm(network)

    assert op_names(folded) == ["Conv"]
    assert folded.outputs == (layer.output,)
    _assert_same(folded, network, _input(network, rng))


@pytest.mark.parametrize("shape", [(-1, 3), (-1, 3, 4), (-1, 3, 4, 2)], ids=str)
def test_a_batchnorm_without_a_layer_becomes_arithmetic(shape):
    rng = np.random.default_rng(0)
    x = real("x", *shape)
    norm, parameters = _norm("bn", x, 3, rng)
    network = graph(x, [norm], parameters)

    folded = fold_batchnorm(network)

    assert op_names(folded) == (["Mul", "Add"] if len(shape) == 2 else ["Conv"])
    assert folded.outputs == network.outputs
    _assert_same(folded, network, _input(network, rng))


def test_a_layer_with_two_readers_is_left_alone():
    rng = np.random.default_rng(0)
    x, (layer, constants) = _conv(1, 2, 3, False, rng)
    norm, parameters = _norm("bn", layer.output, 3, rng)
    total = node(ops.Add(), real("add", *norm.output.shape), layer.output, norm.output)
    network = graph(x, [layer, norm, total], {**constants, **parameters})

    folded = fold_batchnorm(network)

    assert op_names(folded) == ["Conv", "Conv", "Add"]
    np.testing.assert_array_equal(
        folded.constants["layer.weight"], network.constants["layer.weight"]
    )
    _assert_same(folded, network, _input(network, rng))


def test_a_layer_that_is_an_output_is_left_alone():
    rng = np.random.default_rng(0)
    x, (layer, constants) = _conv(1, 2, 3, False, rng)
    norm, parameters = _norm("bn", layer.output, 3, rng)
    network = graph(x, [layer, norm], {**constants, **parameters}, layer.output, norm.output)

    folded = fold_batchnorm(network)

    assert op_names(folded) == ["Conv", "Conv"]
    _assert_same(folded, network, _input(network, rng))


def test_a_weight_that_another_layer_reads_is_copied():
    rng = np.random.default_rng(0)
    x = real("x", -1, 3)
    weight = constant("tied", rng.normal(size=(3, 3)))
    first = node(ops.Linear(), real("first", -1, 3), x, weight)
    norm, parameters = _norm("bn", first.output, 3, rng)
    second = node(ops.Linear(), real("second", -1, 3), norm.output, weight)
    tied = rng.normal(size=(3, 3))
    network = graph(x, [first, norm, second], {"tied": tied, **parameters})

    folded = fold_batchnorm(network)

    assert set(folded.constants) == {"tied", "tied.1", "first.bias"}
    np.testing.assert_array_equal(folded.constants["tied"], network.constants["tied"])
    _assert_same(folded, network, _input(network, rng))


def test_a_batchnorm_over_the_middle_axis_of_a_linear_layer_is_not_folded():
    rng = np.random.default_rng(0)
    x = real("x", -1, 3, 2)
    layer, constants = _layer(
        ops.Linear(), x, real("layer", -1, 3, 3), rng.normal(size=(3, 2)), None
    )
    norm, parameters = _norm("bn", layer.output, 3, rng)
    network = graph(x, [layer, norm], {**constants, **parameters})

    folded = fold_batchnorm(network)

    assert op_names(folded) == ["Linear", "Conv"]
    _assert_same(folded, network, _input(network, rng))
