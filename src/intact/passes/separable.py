"""Separable convolutions that quantize well: a network to train, not the same function.

Sheng et al. 2018, "A quantization-friendly separable convolution for MobileNets", section 4:

1. A BatchNorm that alone reads a depthwise convolution is folded into it and gone: there is nothing
   left that could divide by a variance near 0.
2. The ReLU or clamp behind it (or behind the convolution itself) is dropped: the pointwise
   convolution reads the depthwise one's output.
3. Every ReLU6 becomes a ReLU.

Of a network before its training, the BatchNorms fold to almost nothing. Of a trained one, what the
folding keeps is where training goes on. A penalty on the depthwise weights
(`intact.capture.penalty`) belongs to that training, as nothing normalizes them any more.
"""

from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, Value
from intact.passes.fold_batchnorm import fold_batchnorm
from intact.passes.relu6_to_relu import relu6_to_relu
from intact.passes.rewrite import sole_reader, substitute


def separable(graph: Graph[FloatOp], *, keep_relu6: bool = False) -> Graph[FloatOp]:
    """The network with rewritten blocks; it has to be trained, from the start or further.

    With `keep_relu6`, case 3 is left out.
    """
    norms: set[str] = set()
    dropped: set[str] = set()
    for node in graph.nodes:
        if not is_depthwise(node):
            continue
        reader = sole_reader(graph, node.output)
        if reader is not None and isinstance(reader.op, ops.BatchNorm):
            norms.add(reader.name)
            reader = sole_reader(graph, reader.output)
        if reader is not None and isinstance(reader.op, ops.Relu | ops.Clamp):
            dropped.add(reader.name)
    rewritten = _without(fold_batchnorm(graph, norms), dropped)
    return rewritten if keep_relu6 else relu6_to_relu(rewritten)


def is_depthwise(node: Node[FloatOp]) -> bool:
    """Whether the node is a convolution of each channel by itself."""
    return isinstance(node.op, ops.Conv) and node.op.groups > 1 and node.inputs[1].shape[1] == 1


def _without(graph: Graph[FloatOp], dropped: set[str]) -> Graph[FloatOp]:
    values: dict[str, Value] = {}
    nodes: list[Node[FloatOp]] = []
    for old in graph.nodes:
        node = substitute(old, values)
        if node.name in dropped:
            values[node.name] = node.inputs[0]
        else:
            nodes.append(node)
    outputs = tuple(values.get(value.name, value) for value in graph.outputs)
    return Graph(graph.inputs, outputs, tuple(nodes), graph.constants)
