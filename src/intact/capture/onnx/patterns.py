"""Small groups of ONNX nodes that are one layer, replaced by a node that says so.

1. Activations that are spelled out (`elementwise.py`).
2. Layer norm: ReduceMean, Sub, Pow or Mul, ReduceMean, Add, Sqrt, Div and optional Mul, Add.
3. Group norm: Reshape, InstanceNormalization, Reshape and optional Mul, Add.
4. MatMul with a constant matrix, and the Add of its bias.

The last node of a group is replaced; the others stay if something else reads them.
"""

from collections.abc import Sequence

from intact.capture.onnx.elementwise import recognise
from intact.capture.onnx.facts import Facts
from intact.capture.onnx.node import OnnxNode
from intact.capture.onnx.norm_patterns import fuse_group_norm, fuse_layer_norm
from intact.capture.onnx.web import Web


def fuse(nodes: Sequence[OnnxNode], facts: Facts, outputs: set[str]) -> list[OnnxNode]:
    """The nodes with every group replaced."""
    web = Web(nodes, outputs, facts)
    _fuse_activations(web)
    for fuse_one in (fuse_layer_norm, fuse_group_norm, _fuse_bias):
        found = [fuse_one(node, web) for node in web.nodes]
        web.replace(node for node in found if node is not None)
    return web.nodes


def _fuse_activations(web: Web) -> None:
    """In order, so that a hard-swish finds the hard-sigmoid that was recognised in it."""
    producers = dict(web.producers)
    order = {name: position for position, name in enumerate(producers)}
    found: list[OnnxNode] = []
    for node in web.nodes:
        activation = recognise(node, producers, order, web.facts)
        if activation is not None:
            producers[node.output] = activation
            found.append(activation)
    web.replace(found)


def _fuse_bias(node: OnnxNode, web: Web) -> OnnxNode | None:
    """A MatMul whose third input is the bias, called like the MatMul and written by the Add."""
    if node.op_type != "MatMul" or len(node.inputs) != 2:
        return None
    weight = web.facts.static(node.inputs[1])
    reader = web.sole_reader(node.output)
    name = web.constant_operand(reader, "Add", node.output)
    if reader is None or not name or weight is None or weight.ndim != 2:
        return None
    bias = web.facts.known[name].arrays[0]
    rank = len(web.facts.infos[node.output].shapes[0])
    if bias.size != weight.shape[1] or bias.shape[-1:] != weight.shape[1:] or bias.ndim > rank:
        return None
    vector = web.parameter(f"{reader.output}.bias", bias.reshape(-1), web.facts.known[name].source)
    return OnnxNode(
        node.name, "MatMul", (*node.inputs, vector), reader.outputs, node.opset, node.attributes
    )
