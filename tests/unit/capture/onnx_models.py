"""What the ONNX capture tests share: models from nodes, and the comparison with onnxruntime."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from intact.capture.onnx import load_onnx
from intact.exec import reference
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, with_batch
from intact.numerics.arrays import Array

OPSET = 20
Dim = int | str


def model(
    nodes: Sequence[onnx.NodeProto],
    x: Sequence[Dim] | Mapping[str, Sequence[Dim]],
    constants: Mapping[str, Array] | None = None,
    *,
    outputs: Sequence[str] = ("y",),
    opset: int = OPSET,
    elem_type: int = TensorProto.FLOAT,
) -> onnx.ModelProto:
    """A model of these nodes; `x` is the shape of the input "x", or the shapes of several."""
    shapes = x if isinstance(x, Mapping) else {"x": x}
    inputs = [helper.make_tensor_value_info(n, elem_type, list(s)) for n, s in shapes.items()]
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    tensors = [numpy_helper.from_array(np.asarray(a), n) for n, a in (constants or {}).items()]
    graph = helper.make_graph(list(nodes), "graph", inputs, results, tensors)
    # The oldest IR version that allows initializers which are no inputs.
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def node(
    op_type: str,
    inputs: Sequence[str],
    outputs: Sequence[str] = ("y",),
    name: str = "",
    **attributes: object,
) -> onnx.NodeProto:
    """A node called like its first output, if not otherwise."""
    return helper.make_node(op_type, list(inputs), list(outputs), name or outputs[0], **attributes)


def normal(*shape: int, seed: int = 0) -> Array:
    """Normal float32 numbers."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def load(proto: onnx.ModelProto, folder: Path) -> Graph[FloatOp]:
    """The graph that the model's file becomes."""
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return load_onnx(path)


def steps(graph: Graph[FloatOp]) -> list[Node[FloatOp]]:
    """The nodes in order, without those that only give a value the name of an output."""
    outputs = {value.name for value in graph.outputs}

    def names_an_output(node: Node[FloatOp]) -> bool:
        same = node.op == ops.Reshape(node.inputs[0].shape)
        return same and node.name in outputs

    return [node for node in graph.nodes if not names_an_output(node)]


def kinds(graph: Graph[FloatOp]) -> list[str]:
    """The operations' class names in order."""
    return [type(node.op).__name__ for node in steps(graph)]


def run(graph: Graph[FloatOp], inputs: Mapping[str, Array]) -> list[Array]:
    """The graph's outputs, by the reference executor."""
    values = reference.load(graph)(inputs)
    return [values[value.name] for value in graph.outputs]


def draw(graph: Graph[FloatOp], batch: int) -> dict[str, Array]:
    """Inputs of the graph; indices are below 5."""
    inputs: dict[str, Array] = {}
    for seed, value in enumerate(graph.inputs):
        array = 2 * normal(*with_batch(value.shape, batch), seed=seed + batch)
        if value.dtype.storage.kind in "iu":
            array = np.abs(np.rint(array)) % 5
        inputs[value.name] = array.astype(value.dtype.storage)
    return inputs


def assert_captured(
    proto: onnx.ModelProto, folder: Path, batches: Sequence[int] = (1, 3)
) -> Graph[FloatOp]:
    """The model's graph, after comparing it with onnxruntime at several batch sizes."""
    graph = load(proto, folder)
    session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    for batch in batches:
        inputs = draw(graph, batch)
        for ours, theirs in zip(run(graph, inputs), session.run(None, inputs), strict=True):
            assert ours.shape == theirs.shape
            scale = max(float(np.abs(theirs).max()), 1e-3)
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * scale)
    return graph
