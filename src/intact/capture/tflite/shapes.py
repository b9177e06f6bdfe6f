"""Shapes of one sample in the file → shapes of many; the padding of windows."""

import math
from collections.abc import Sequence

from intact.capture.tflite.builder import Builder
from intact.capture.tflite.file import Operator
from intact.errors import FormatError, UnsupportedOpError
from intact.ir.attributes import MAX_RANK
from intact.ir.float_ops import Pads
from intact.ir.graph import Shape, Value, with_batch
from intact.ir.windows import same_padding

SAME, VALID = 0, 1  # Padding


def reshaped(net: Builder, operator: Operator, shape: Shape, target: Sequence[int]) -> Shape:
    """The target of one sample, with the batch where the value has it; one entry may be -1.

    The axis that has the batch comes after the same number of elements as in the value, so that
    samples do not mix: (-1, 8, 64) becomes (-8, 64), then (-1, 512).

    Raises:
        FormatError: if the number of elements differs.
        UnsupportedOpError: if no axis of the target can have the batch.
    """
    single = with_batch(shape, 1)
    if len(target) > MAX_RANK:
        raise FormatError(f"{net.title(operator)} makes {len(target)} axes, at most {MAX_RANK}")
    sizes = _resolved(target, math.prod(single))
    if sizes is None or math.prod(sizes) != math.prod(single):
        raise FormatError(f"{net.title(operator)} reshapes {single} to {tuple(target)}")
    batch = [axis for axis, n in enumerate(shape) if n < 0]
    if not batch:
        return sizes
    before = math.prod(single[: batch[0]])
    for axis in range(len(sizes)):
        if math.prod(sizes[:axis]) == before and len(batch) == 1:
            return (*sizes[:axis], -sizes[axis], *sizes[axis + 1 :])
    raise UnsupportedOpError(
        f"{net.title(operator)} reshapes {single} to {sizes}, which would mix the samples of a"
        " batch"
    )


def _resolved(target: Sequence[int], elements: int) -> Shape | None:
    """The sizes, with an entry of -1 computed; None if that is impossible."""
    known = math.prod(n for n in target if n != -1)
    if known < 1 or any(n < -1 for n in target) or list(target).count(-1) > 1:
        return None
    return tuple(elements // known if n == -1 else n for n in target)


def window_padding(
    net: Builder,
    operator: Operator,
    scheme: int,
    x: Value,
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int] = (1, 1),
) -> Pads:
    """Padding of SAME, the odd pixel behind, or of VALID, none (ComputePaddingHeightWidth)."""
    if len(x.shape) != 4 or min(*x.shape[1:], *kernel, *stride, *dilation) < 1:
        raise FormatError(f"{net.title(operator)} has no such windows on shape {x.shape}")
    if scheme not in (SAME, VALID):
        raise FormatError(f"{net.title(operator)} has padding {scheme}")
    if scheme == VALID:
        return ((0, 0), (0, 0))
    return tuple(
        same_padding(n, k, s, d)
        for n, k, s, d in zip(x.shape[1:3], kernel, stride, dilation, strict=True)
    )
