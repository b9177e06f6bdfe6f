"""What training adds to the loss so that a network quantizes better."""

import torch
from torch import Tensor

from intact.capture.module import CapturedModule
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.passes.separable import is_depthwise


def depthwise_penalty(module: CapturedModule, graph: Graph[FloatOp]) -> Tensor:
    """Sum of the squares of all depthwise weights, of a module that `from_graph(graph)` made.

    Sheng et al. 2018, "A quantization-friendly separable convolution for MobileNets", section 4.3:
    weights near 0 have a small range. Add it to the loss times 1e-4 or so, and leave the depthwise
    weights out of any other decay.
    """
    names = dict.fromkeys(node.inputs[1].name for node in graph.nodes if is_depthwise(node))
    squares = [module.constant(name).square().sum() for name in names]
    return torch.stack(squares).sum() if squares else torch.zeros(())
