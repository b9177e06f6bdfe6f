"""Small graphs for calibration: one with a convolution and a ReLU, one with everything else."""

import numpy as np

from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, Value
from intact.numerics.formats import FP32, Int

_NO_PADDING = ((0, 0), (0, 0))


def real(name: str, *shape: int) -> Value:
    return Value(name, shape, FP32)


def conv_relu_linear() -> Graph[FloatOp]:
    """x (N, 2, 4, 4) → conv → relu (fused) → flat → fc (N, 3)."""
    rng = np.random.default_rng(0)
    constants = {
        "conv.weight": rng.normal(size=(4, 2, 3, 3)).astype(np.float32),
        "fc.weight": rng.normal(size=(3, 16)).astype(np.float32),
    }
    x = real("x", -1, 2, 4, 4)
    conv = Node(
        ops.Conv((1, 1), _NO_PADDING, (1, 1)),
        (x, real("conv.weight", 4, 2, 3, 3)),
        real("conv", -1, 4, 2, 2),
    )
    relu = Node(ops.Relu(), (conv.output,), real("relu", -1, 4, 2, 2))
    flat = Node(ops.Reshape((-1, 16)), (relu.output,), real("flat", -1, 16))
    fc = Node(ops.Linear(), (flat.output, real("fc.weight", 3, 16)), real("fc", -1, 3))
    return Graph((x,), (fc.output,), (conv, relu, flat, fc), constants)


def tokens_and_heads() -> Graph[FloatOp]:
    """ids (N, 2) → embedding + position → two heads on the batch axis → scaled → tanh.

    "heads" has the shape (2N, 3); the constants are a position embedding, indices and a mask.
    """
    ids = Value("ids", (-1, 2), Int(64))
    table = np.arange(30, dtype=np.float32).reshape(5, 6)
    constants = {
        "table": table,
        "position": np.array([[[-1.0] * 6, [3.0] * 6]], np.float32),
        "half": np.array(0.5, np.float32),
        "mask": np.array([[0.0, -np.inf, 0.0]], np.float32),
    }
    embed = Node(ops.Embedding(), (ids, real("table", 5, 6)), real("embed", -1, 2, 6))
    place = Node(ops.Add(), (embed.output, real("position", 1, 2, 6)), real("place", -1, 2, 6))
    first = Node(ops.Slice(1, 0, 1), (place.output,), real("first", -1, 1, 6))
    heads = Node(ops.Reshape((-2, 3)), (first.output,), real("heads", -2, 3))
    squared = Node(ops.Mul(), (heads.output, heads.output), real("squared", -2, 3))
    scaled = Node(ops.Mul(), (squared.output, real("half")), real("scaled", -2, 3))
    masked = Node(ops.Add(), (scaled.output, real("mask", 1, 3)), real("masked", -2, 3))
    nodes = (embed, place, first, heads, squared, scaled, masked)
    return Graph((ids,), (scaled.output, masked.output), nodes, constants)


def transposed(groups: int) -> Graph[FloatOp]:
    """x (N, 4, 3, 3) → ConvTranspose with `groups` groups and 2 outputs a group."""
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(4, 2, 2, 2)).astype(np.float32)
    x = real("x", -1, 4, 3, 3)
    op = ops.ConvTranspose((2, 2), _NO_PADDING, (0, 0), (1, 1), groups)
    up = Node(op, (x, real("up.weight", 4, 2, 2, 2)), real("up", -1, 2 * groups, 6, 6))
    return Graph((x,), (up.output,), (up,), {"up.weight": weight})
