"""How many samples of a batch run at once: as many as leave their activations in the cache."""

from intact.ir import float_ops, int_ops
from intact.ir.graph import Node, Shape
from intact.ir.int_ops import IntOp, Program

_ARENA = 8 << 20  # bytes, a share of the last cache; measured on networks for images


def samples_at_once(program: Program, batch: int, arena_of_one: int) -> int:
    """A divisor of the batch size; all of it if samples are not computed one by one.

    Args:
        program: What is to run.
        batch: Its batch size.
        arena_of_one: Bytes of the arena for one sample.
    """
    if batch <= 1 or not _is_by_sample(program):
        return batch
    most = max(_ARENA // max(arena_of_one, 1), 1)
    return max(part for part in range(1, min(batch, most) + 1) if batch % part == 0)


def _is_by_sample(program: Program) -> bool:
    """Whether samples lie one behind the other, and none meets another one."""
    ends = (*program.inputs, *program.outputs)
    return all(_batch_axes(value.shape) == [0] for value in ends) and all(
        _keeps_samples(node) for node in program.nodes
    )


def _keeps_samples(node: Node[IntOp]) -> bool:
    batched = [value for value in node.inputs if _batch_axes(value.shape)]
    if not batched:
        return True
    if any(_batch_axes(value.shape) != [0] for value in (*batched, node.output)):
        return False
    match node.op:
        case float_ops.Concat(axis) | float_ops.Softmax(axis):
            return axis != 0
        case float_ops.Scan(body) | int_ops.QScan(body):
            return all(map(_keeps_samples, body.nodes))
        case float_ops.Embedding() | int_ops.QEmbedding():
            return node.inputs[1] not in batched  # a table of all samples' rows
        case _:
            return True


def _batch_axes(shape: Shape) -> list[int]:
    return [axis for axis, dim in enumerate(shape) if dim < 0]
