"""Parts of tensors."""

from collections.abc import Mapping

import numpy as np

from intact.emit.tflite.ledger import Ledger
from intact.emit.tflite.schema import BuiltinOperator, Options


def strided_slice(
    ledger: Ledger, source: int, ranges: Mapping[int, tuple[int, int, int]], output: int
) -> int:
    """x[start:stop:step] along the axes of `ranges`; the masks leave the others whole."""
    rank = len(ledger.writer.tensors[source].shape)
    begin, end, strides = np.zeros(rank, int), np.zeros(rank, int), np.ones(rank, int)
    whole = (1 << rank) - 1
    for axis, (start, stop, step) in ranges.items():
        begin[axis], end[axis], strides[axis] = start, stop, step
        whole &= ~(1 << axis)
    name = ledger.writer.tensors[output].name
    numbers = [
        ledger.integers(array, f"{name}/{part}")
        for part, array in (("begin", begin), ("end", end), ("strides", strides))
    ]
    options = Options("StridedSliceOptions", {"BeginMask": whole, "EndMask": whole})
    return ledger.emit(BuiltinOperator.STRIDED_SLICE, [source, *numbers], output, options)
