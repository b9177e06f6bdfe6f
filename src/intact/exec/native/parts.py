"""How many samples of a batch run at once: as many as leave their activations in the cache."""

from intact.ir.graph import Shape
from intact.ir.int_ops import Program

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
    """Whether samples lie one behind the other outside, and none is lost or paired inside."""
    ends = (*program.inputs, *program.outputs)
    if any(_batch_axes(value.shape) != [0] for value in ends):
        return False
    return all(
        len(_batch_axes(node.output.shape)) == 1
        for node in program.nodes
        if any(_batch_axes(value.shape) for value in node.inputs)
    )


def _batch_axes(shape: Shape) -> list[int]:
    return [axis for axis, dim in enumerate(shape) if dim < 0]
