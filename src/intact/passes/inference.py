"""The passes that turn a captured network into the graph that is quantized."""

from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.passes.dead_code import dead_code
from intact.passes.drop_dropout import drop_dropout
from intact.passes.fold_batchnorm import fold_batchnorm
from intact.passes.fuse_pad import fuse_pad


def for_inference(graph: Graph[FloatOp]) -> Graph[FloatOp]:
    """The same function without Dropout, BatchNorm, padding nodes of convolutions and dead code.

    Running it again changes nothing.
    """
    # Dropout first: it may stand between a layer and its BatchNorm.
    for run in (drop_dropout, fold_batchnorm, fuse_pad, dead_code):
        graph = run(graph)
    return graph
