"""Walks an ONNX graph once, in order: shapes of all values, values of the constant ones."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import onnx
from onnx import NodeProto

from intact.capture.onnx.batch import Freed, free_reshape, repeated_sample
from intact.capture.onnx.facts import Facts, Info, Known
from intact.capture.onnx.infer import evaluate, infer, may_fold
from intact.capture.onnx.node import OnnxNode, read_tensor
from intact.errors import FormatError
from intact.ir.graph import Shape, with_batch
from intact.numerics.arrays import Array

# Operations that change no element: their output is called like the initializer they read.
_LAYOUT = frozenset({"Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})
_ELEMENTWISE = frozenset({"Add", "Div", "Mul", "Sub"})


def read_initializers(graph: onnx.GraphProto, facts: Facts) -> None:
    """Notes the file's constants."""
    for proto in graph.initializer:
        array = read_tensor(proto, f"initializer {proto.name}")
        facts.add_constant(proto.name, array, proto.name, proto.data_type)


def live(nodes: Sequence[OnnxNode], outputs: Collection[str]) -> list[OnnxNode]:
    """The nodes that the outputs depend on, in order."""
    needed = set(outputs)
    kept: list[OnnxNode] = []
    for node in reversed(nodes):
        if needed.intersection(node.outputs):
            kept.append(node)
            needed.update(node.inputs)
    return kept[::-1]


def walk(
    nodes: Sequence[OnnxNode], protos: Sequence[NodeProto], facts: Facts, *, outputs: set[str]
) -> list[OnnxNode]:
    """Fills `facts` and returns the nodes that are not constant.

    Raises:
        FormatError: for a node that reads what nothing writes, or whose shapes do not fit.
    """
    remaining: list[OnnxNode] = []
    by_output = {proto.output[0]: proto for proto in protos if proto.output}
    for node in live(nodes, outputs):
        for name in filter(None, node.inputs):
            if name not in facts.infos:
                raise node.malformed(f'reads "{name}", which nothing before it writes')
        if any(name in facts.infos for name in node.outputs):
            raise node.malformed("writes a value that exists already")
        freed = _free_constants(node, facts)
        proto = NodeProto()
        proto.CopyFrom(by_output[node.output])
        proto.input[:] = freed.inputs
        if not _step(freed, proto, facts):
            remaining.append(freed)
    return remaining


def _step(node: OnnxNode, proto: NodeProto, facts: Facts) -> bool:
    """Notes one node's outputs; True if they are constants."""
    if node.op_type in ("Shape", "Size"):
        _shape_of(node, facts)
        return True
    infos = _infer(node, proto, facts)
    for name, info in zip(node.outputs, infos, strict=True):
        if name:
            facts.infos[name] = info
    _inherit_inner(node, facts)
    if not may_fold(node, infos, facts):
        return False
    _fold(node, proto, facts)
    return True


def _infer(node: OnnxNode, proto: NodeProto, facts: Facts) -> list[Info]:
    """Each output at every trial; Info(0, ()) for an absent one."""
    if facts.fixed is None:
        trials = [infer(node, proto, facts, trial) for trial in range(len(facts.batches))]
    else:
        trials = _infer_freed(node, proto, facts)
    infos: list[Info] = []
    for index, name in enumerate(node.outputs):
        if not name:
            infos.append(Info(0, ()))
            continue
        shapes: list[Shape] = []
        for trial in trials:
            shape = trial[index][1]
            if shape is None:
                raise node.unsupported(
                    "has an output whose shape depends on data", "Remove it from the network"
                )
            shapes.append(shape)
        infos.append(Info(trials[0][index][0], tuple(shapes)))
    return infos


def _infer_freed(
    node: OnnxNode, proto: NodeProto, facts: Facts
) -> list[list[tuple[int, Shape | None]]]:
    """Inference in a file with one batch size, at others as well."""
    last = len(facts.batches) - 1
    true = infer(node, proto, facts, last)
    if node.op_type == "Reshape" and (freed := _freed_reshape(node, true[0][1], facts)):
        facts.inner[node.output] = freed.inner
        return [[(true[0][0], with_batch(freed.shape, batch))] for batch in facts.batches]
    if (shape := _freed_sizes(node, true[0][1], facts)) is not None:
        return [[(true[0][0], with_batch(shape, batch))] for batch in facts.batches]
    try:
        return [*(infer(node, proto, facts, trial) for trial in range(last)), true]
    except FormatError as error:
        raise node.unsupported(
            f"works at batch size {facts.fixed} alone",
            "Export the network with a dynamic first axis",
        ) from error


def _freed_reshape(node: OnnxNode, target: Shape | None, facts: Facts) -> Freed | None:
    source = node.inputs[0]
    if facts.fixed is None or target is None or source in facts.known:
        return None
    if node.input(1) and facts.static(node.input(1)) is None:  # computed from the batch size
        return None
    shapes = facts.infos[source].shapes
    freed = Freed(facts.shape(source), facts.inner.get(source, 1))
    return free_reshape(freed, (shapes[-1], target), facts.fixed)


def _inherit_inner(node: OnnxNode, facts: Facts) -> None:
    """An operation keeps the order within a batch axis -k that it keeps."""
    inner = {
        min(facts.shape(name)): facts.inner[name] for name in node.inputs if name in facts.inner
    }
    for name in node.outputs:
        if inner and name and name not in facts.inner and facts.shape(name):
            facts.inner[name] = inner.get(min(facts.shape(name)), 1)


def _freed_sizes(node: OnnxNode, target: Shape | None, facts: Facts) -> Shape | None:
    """Resize and Expand may hold the batch size in the sizes they are given."""
    if node.op_type not in ("Expand", "Resize") or target is None or not node.inputs[-1]:
        return None
    if node.inputs[0] in facts.known or facts.static(node.inputs[-1]) is None:
        return None
    source = facts.shape(node.inputs[0])
    if len(source) != len(target) or source[:1] != (-1,) or target[0] != facts.fixed:
        return None
    return (-1, *target[1:])


def _free_constants(node: OnnxNode, facts: Facts) -> OnnxNode:
    """In a file with one batch size: operands that repeat one sample follow the batch.

    A class token that was expanded to the batch of the export is such a constant. With batch
    size 1 it looks like any other, so there only a Concat along another axis tells it apart.
    """
    size = facts.fixed
    axis = node.integer("axis", 0) if node.op_type == "Concat" else 0
    joins = node.op_type == "Concat" and axis != 0
    if size is None or not (joins or (node.op_type in _ELEMENTWISE and size > 1)):
        return node
    carriers = [
        len(facts.infos[name].shapes[0])
        for name in node.inputs
        if name not in facts.known and facts.shape(name)[:1] == (-1,)
    ]
    if not carriers:
        return node
    inputs = tuple(_freed_constant(name, max(carriers), facts, size) for name in node.inputs)
    return replace(node, inputs=inputs)


def _freed_constant(name: str, rank: int, facts: Facts, size: int) -> str:
    array = facts.static(name)
    sample = repeated_sample(array, size) if array is not None and array.ndim == rank else None
    if sample is None:
        return name
    arrays = tuple(np.broadcast_to(sample, (batch, *sample.shape[1:])) for batch in facts.batches)
    freed = f"{name}.batch"
    facts.known[freed] = Known(arrays, facts.known[name].source)
    facts.infos[freed] = Info(
        facts.infos[name].elem_type, tuple(tuple(array.shape) for array in arrays)
    )
    return freed


def _shape_of(node: OnnxNode, facts: Facts) -> None:
    """Shape and Size are constants at each trial, whatever they read."""
    shapes = facts.infos[node.inputs[0]].shapes
    arrays: list[Array] = []
    for shape in shapes:
        if node.op_type == "Size":
            arrays.append(np.asarray(np.prod(shape, dtype=np.int64)))
            continue
        end = node.integer("end", len(shape))
        arrays.append(np.asarray(shape[node.integer("start", 0) : end], np.int64))
    _note(node.output, arrays, node.output, onnx.TensorProto.INT64, facts)


def _fold(node: OnnxNode, proto: NodeProto, facts: Facts) -> None:
    inputs = {name: facts.known[name] for name in node.inputs if name}
    varies = any(known.varies for known in inputs.values())
    results: list[list[Array]] = []
    for trial in range(len(facts.batches)):
        if trial and not varies:
            results.append(results[0])
            continue
        at_trial = {name: known.arrays[trial] for name, known in inputs.items()}
        results.append(evaluate(node, proto, at_trial))
    layout = node.op_type in _LAYOUT and node.inputs[0] in facts.known
    for index, name in enumerate(filter(None, node.outputs)):
        source = facts.known[node.inputs[0]].source if layout else name
        arrays = [result[index] for result in results]
        _note(name, arrays, source, facts.infos[name].elem_type, facts)


def _note(name: str, arrays: list[Array], source: str, elem_type: int, facts: Facts) -> None:
    """One object for all trials where their arrays are equal: `Known.varies` is by identity."""
    first = arrays[0]
    if all(a is first or np.array_equal(a, first) for a in arrays[1:]):
        arrays = [first] * len(arrays)
    facts.infos[name] = Info(elem_type, tuple(tuple(array.shape) for array in arrays))
    facts.known[name] = Known(tuple(arrays), source)
