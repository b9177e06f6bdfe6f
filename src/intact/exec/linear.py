"""Integer linear layers, matrix products and embeddings (eq. 16, 20, 22)."""

import numpy as np

from intact.exec import exact
from intact.exec.exact import Kernel
from intact.exec.movement import rows
from intact.exec.requantize import requantizer
from intact.ir import int_ops
from intact.ir.graph import Node
from intact.ir.int_ops import IntOp
from intact.numerics.arrays import Codes, IntArray
from intact.numerics.integers import weight_integers


def linear(op: int_ops.QLinear, node: Node[IntOp], weight: Codes, bias: IntArray) -> Kernel:
    """QLinear: x (..., I) to (..., O)."""
    integers = weight_integers(weight, node.inputs[1].dtype, op.weight_zero_point, op.weight_shift)
    channels = len(integers)
    dtype = exact.exact_dtype(exact.largest_sum(integers, exact.reach(node.inputs[0])))
    matrix = integers.T.astype(dtype)
    offset = bias.astype(np.int64) - op.input_zero_point * integers.sum(axis=1)
    finish = requantizer(op.requant, channels, offset)
    storage = node.output.dtype.storage

    def run(x: Codes) -> Codes:
        out = np.empty((*x.shape[:-1], channels), storage)
        rows = x.reshape(-1, x.shape[-1])
        exact.multiply_rows(rows, matrix, finish, out.reshape(-1, channels))
        return out

    return run


def matmul(op: int_ops.QMatMul, node: Node[IntOp]) -> Kernel:
    """QMatMul: a (..., M, K), b (..., K, N) to (..., M, N)."""
    a_value, b_value = node.inputs
    largest = exact.reach(a_value, op.a_zero_point) * exact.reach(b_value, op.b_zero_point)
    storage = node.output.dtype.storage

    def run(a: Codes, b: Codes) -> Codes:
        dtype = exact.exact_dtype(a.shape[-1] * largest)
        left = a.astype(dtype) - dtype.type(op.a_zero_point)
        right = b.astype(dtype) - dtype.type(op.b_zero_point)
        sums = np.matmul(left, right)
        out = np.empty(sums.shape, storage)
        requantizer(op.requant, sums.shape[-1], np.zeros(1, np.int64))(sums, out)
        return out

    return run


def embedding(op: int_ops.QEmbedding, node: Node[IntOp], weight: Codes) -> Kernel:
    """QEmbedding: the requantized table is computed once."""
    integers = weight_integers(weight, node.inputs[1].dtype, op.weight_zero_point)
    # Requant has one entry for each row; its channels are the last axis.
    table = op.requant(integers.T).T.astype(node.output.dtype.storage)

    def run(indices: IntArray) -> Codes:
        return rows(table, indices)

    return run
