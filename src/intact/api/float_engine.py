"""Runs a captured network in float32, to compare with."""

import torch

from intact.api.engine import Engine
from intact.capture.module import from_graph
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.numerics.arrays import Array


def float_engine(graph: Graph[FloatOp]) -> Engine:
    """The captured network as it was trained, in torch."""
    module = from_graph(graph).eval()

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        with torch.inference_mode():
            # Copied: torch warns of arrays that it may not write to.
            outputs = module.run([torch.tensor(array) for array in arrays])
        return tuple(output.numpy() for output in outputs)

    return Engine(graph.inputs, run)
