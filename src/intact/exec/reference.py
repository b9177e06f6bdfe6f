"""The interpreter that defines the integers (doc/arithmetic.md says the same in formulas)."""

from collections.abc import Callable, Container, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from intact.exec import (
    convolution,
    dynamic,
    elementwise,
    float_ops,
    linear,
    normalization,
    pooling,
    resize,
    softmax,
)
from intact.exec.exact import Kernel
from intact.exec.runner import Runner, check_inputs
from intact.exec.scan import scan
from intact.ir import int_ops
from intact.ir.float_ops import FloatOp, Scan
from intact.ir.graph import Graph, Node, elements, with_batch
from intact.ir.int_ops import IntOp, Program
from intact.numerics.arrays import Array

MOST_FOLDED = 1 << 20  # elements of a value, where the constants have fewer together
Step: TypeAlias = Callable[[Sequence[Array], int], Array]  # inputs, batch size

# (op, node) → kernel over all inputs.
_KERNELS: Mapping[type, Callable[..., Kernel]] = {
    int_ops.Quantize: elementwise.quantize,
    int_ops.Dequantize: elementwise.dequantize,
    int_ops.Requantize: elementwise.requantize,
    int_ops.QMatMul: linear.matmul,
    int_ops.QAdd: elementwise.add,
    int_ops.QSub: elementwise.sub,
    int_ops.QMul: elementwise.mul,
    int_ops.Lookup: elementwise.lookup,
    int_ops.InterpolatedLookup: elementwise.interpolated_lookup,
    int_ops.QSoftmax: softmax.softmax,
    int_ops.QSoftmax16: softmax.softmax16,
    int_ops.QLayerNorm: normalization.layer_norm,
    int_ops.QGroupNorm: normalization.group_norm,
    int_ops.QMaxPool2d: pooling.max_pool2d,
    int_ops.QAvgPool2d: pooling.avg_pool2d,
    int_ops.QAdaptiveAvgPool2d: pooling.adaptive_avg_pool2d,
    int_ops.QMean: pooling.mean,
    int_ops.QResizeNearest2d: resize.nearest2d,
    int_ops.QResizeBilinear2d: resize.bilinear2d,
}
# (op, node, *parameters) → kernel over the first input; the parameters are the other inputs.
_WITH_PARAMETERS: Mapping[type, Callable[..., Kernel]] = {
    int_ops.QConv2d: convolution.conv2d,
    int_ops.QConvTranspose2d: convolution.conv_transpose2d,
    int_ops.QLinear: linear.linear,
    int_ops.QEmbedding: linear.embedding,
    int_ops.DynamicConv2d: dynamic.conv2d,
    int_ops.DynamicLinear: dynamic.linear,
    int_ops.QPrelu: elementwise.prelu,
}


def prepare(node: Node[IntOp], constants: Mapping[str, Array]) -> Step:
    """The node as a function of its inputs' arrays and the batch size.

    What depends on constants alone, such as the layout of weights, is computed here and once.
    """
    op = node.op
    if isinstance(op, Scan | int_ops.QScan):
        return scan(op, node, constants, load)
    if isinstance(op, FloatOp):
        return lambda inputs, batch: float_ops.apply(op, inputs, batch)
    if type(op) in _WITH_PARAMETERS:
        return _with_parameters(node, constants)
    kernel = _KERNELS[type(op)](op, node)
    return lambda inputs, batch: kernel(*inputs)  # noqa: ARG005


def _with_parameters(node: Node[IntOp], constants: Mapping[str, Array]) -> Step:
    make = _WITH_PARAMETERS[type(node.op)]
    names = [value.name for value in node.inputs[1:]]
    if all(name in constants for name in names):
        kernel = make(node.op, node, *(constants[name] for name in names))
        return lambda inputs, batch: kernel(inputs[0])  # noqa: ARG005
    return lambda inputs, batch: make(node.op, node, *inputs[1:])(inputs[0])  # noqa: ARG005


def load(graph: Graph[IntOp] | Graph[FloatOp]) -> Runner:
    """A function from the graph's inputs to its outputs, by value name."""
    run = _runner(graph, keep_all=False)
    names = [value.name for value in graph.outputs]

    def outputs(inputs: Mapping[str, Array]) -> dict[str, Array]:
        values = run(inputs)
        return {name: values[name] for name in names}

    return outputs


def trace(graph: Graph[IntOp] | Graph[FloatOp]) -> Runner:
    """As `load`, for every value that is an input or is computed."""
    return _runner(graph, keep_all=True)


def _runner(graph: Graph[IntOp], *, keep_all: bool) -> Runner:
    constants, nodes = fold(graph)
    steps = [prepare(node, constants) for node in nodes]
    freed = [()] * len(nodes) if keep_all else _last_uses(graph, nodes)
    folded = {name: constants[name] for name in constants if name not in graph.constants}

    def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
        batch = check_inputs(graph, inputs)
        values = {**constants, **inputs}
        for node, step, done in zip(nodes, steps, freed, strict=True):
            values[node.name] = _apply(node, step, values, batch)
            for name in done:
                del values[name]
        return (
            values
            if not keep_all
            else {name: values[name] for name in (*inputs, *folded, *(node.name for node in nodes))}
        )

    return run


def _apply(node: Node[IntOp], step: Step, values: Mapping[str, Array], batch: int) -> Array:
    """The node's output; of an empty batch, kernels need not think."""
    expected = with_batch(node.output.shape, batch), node.output.dtype.storage
    if 0 in expected[0]:
        return np.empty(*expected)
    result = step([values[value.name] for value in node.inputs], batch)
    assert (result.shape, result.dtype) == expected, (
        f"{node.name}: {type(node.op).__name__} gave {result.shape} {result.dtype}, not {expected}"
    )
    return result


def fold(
    graph: Graph[IntOp], keep: Container[str] = ()
) -> tuple[dict[str, Array], list[Node[IntOp]]]:
    """Constants, with the results of nodes that read nothing else, and the remaining nodes.

    Nodes named in `keep` remain whatever they read; so do those that would make much of few
    constants, or that read an index of no row: that is an error of the run.
    """
    constants = dict(graph.constants)
    most = max(MOST_FOLDED, sum(array.size for array in constants.values()))
    nodes = []
    for node in graph.nodes:
        fixed = node.name not in keep and all(dim >= 0 for dim in node.output.shape)
        small = elements(node.output.shape) <= most
        if fixed and small and all(value.name in constants for value in node.inputs):
            inputs = [constants[value.name] for value in node.inputs]
            try:
                constants[node.name] = prepare(node, constants)(inputs, 1)
                continue
            except IndexError:
                pass
        nodes.append(node)
    return constants, nodes


def folded(program: Program) -> Program:
    """The same Program with what is computed from constants alone as constants."""
    constants, nodes = fold(program)
    read = {value.name for node in nodes for value in node.inputs}
    read.update(value.name for value in program.outputs)
    kept = {name: array for name, array in constants.items() if name in read}
    return Graph(program.inputs, program.outputs, tuple(nodes), kept)


def _last_uses(graph: Graph[IntOp], nodes: Sequence[Node[IntOp]]) -> list[tuple[str, ...]]:
    """The values that no later node and no output reads, by node."""
    keep = {*(value.name for value in graph.outputs), *graph.constants}
    freed: list[tuple[str, ...]] = []
    for node in reversed(nodes):
        names = dict.fromkeys([*(value.name for value in node.inputs), node.name])
        done = tuple(name for name in names if name not in keep)
        keep.update(done)
        freed.append(done)
    return freed[::-1]
