"""An ONNX file as a Graph: read and check, walk, fuse patterns, translate."""

from pathlib import Path

from intact.capture.onnx.batch import declare_inputs
from intact.capture.onnx.builder import Builder
from intact.capture.onnx.node import read_nodes
from intact.capture.onnx.patterns import fuse
from intact.capture.onnx.read import opset_version, read_model
from intact.capture.onnx.translate import check_supported, translate
from intact.capture.onnx.walk import live, read_initializers, walk
from intact.errors import UnsupportedOpError, VerifyError
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.ir.verify import verify_graph

__all__ = ["load_onnx"]


def load_onnx(path: Path) -> Graph[FloatOp]:
    """The network in an .onnx file, opset 7 to 25; external data may lie in the file's folder.

    Axis 0 of the inputs is the batch. Where it is fixed and the same in all inputs, it is taken for
    the batch size of the export and made free; see `batch.py`. Values are called like the ONNX
    nodes that compute them (those without a name like their output), outputs and constants as in
    the file. Real numbers of any width are captured as float32.

    Raises:
        FormatError: if the file is not ONNX, truncated, or breaks a rule of ONNX.
        UnsupportedOpError: for an operation or a shape that intact cannot express.
        FileNotFoundError: if there is no such file.
    """
    model = read_model(path)
    proto = model.graph
    if proto.sparse_initializer:
        raise UnsupportedOpError(f"{path} has sparse initializers. Export it with dense weights")
    initializers = [tensor.name for tensor in proto.initializer]
    given = set(initializers)
    inputs = [value for value in proto.input if value.name not in given]
    nodes = read_nodes(proto, opset_version(model, path))
    outputs = [value.name for value in proto.output]
    for node in live(nodes, outputs):
        check_supported(node)
    facts = declare_inputs(inputs, path)
    read_initializers(proto, facts)
    remaining = walk(nodes, proto.node, facts, outputs=set(outputs))
    fused = fuse(remaining, facts, set(outputs))
    read = [*outputs, *(name for node in fused for name in node.inputs)]
    net = Builder(facts, [value.name for value in inputs], initializers, read)
    for node in fused:
        translate(node, net)
    graph = net.graph(outputs)
    try:
        verify_graph(graph)
    except VerifyError as error:
        raise UnsupportedOpError(f"{path} holds what intact cannot express: {error}") from error
    return graph
