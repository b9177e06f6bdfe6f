"""Calibration data: checked against the graph's inputs and cut into pieces of equal size."""

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from intact.errors import CalibrationError
from intact.exec.runner import describe
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Shape, Value, elements, with_batch
from intact.numerics.formats import Float
from intact.ptq.protocol import Batch

_PIECE = 1 << 23  # elements of the largest activation of a piece: 32 MiB


def streamed(
    graph: Graph[FloatOp], batches: Iterable[Batch]
) -> Iterator[tuple[tuple[Tensor, ...], int]]:
    """The samples in pieces whose activations take little memory, images channels last.

    Raises:
        CalibrationError: if a batch does not fit the inputs.
    """
    sizes = [elements(v.shape) for v in graph.values() if v.name not in graph.constants]
    for inputs, samples in pieces(graph.inputs, batches, max(1, _PIECE // max(1, *sizes))):
        yield tuple(map(_channels_last, inputs)), samples


def _channels_last(x: Tensor) -> Tensor:
    """Images as torch's convolutions want them: MobileNetV2 runs five times faster."""
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x


def pieces(
    inputs: tuple[Value, ...], batches: Iterable[Batch], size: int
) -> Iterator[tuple[tuple[Tensor, ...], int]]:
    """The samples of all batches in pieces of `size`, the last one smaller, with their numbers.

    Convolutions round differently at different batch sizes: equal pieces give equal results
    however the data are cut. Where no input has a batch axis, each batch is a piece of one sample.

    Raises:
        CalibrationError: if a batch does not fit the inputs; says which and what was expected.
    """
    waiting: list[tuple[Tensor, ...]] = []
    count = 0
    for index, batch in enumerate(batches):
        tensors, samples = checked(inputs, batch, index)
        if samples is None:
            yield tensors, 1
            continue
        waiting.append(tensors)
        count += samples
        if count >= size:
            joined = _joined(inputs, waiting)
            start = 0
            while count - start >= size:
                yield _part(inputs, joined, start, size), size
                start += size
            count -= start
            waiting = [_part(inputs, joined, start, count)] if count else []
    if count:
        yield _joined(inputs, waiting), count


def first(
    inputs: tuple[Value, ...], batches: Iterable[Batch], limit: int
) -> Iterator[tuple[Tensor, ...]]:
    """The first `limit` samples, batch by batch; nothing is read after them.

    Raises:
        CalibrationError: if a batch does not fit the inputs.
    """
    for index, batch in enumerate(batches):
        tensors, samples = checked(inputs, batch, index)
        count = 1 if samples is None else min(samples, limit)
        yield tensors if count == (samples or 1) else _part(inputs, tensors, 0, count)
        limit -= count
        if limit <= 0:
            return


def checked(
    inputs: tuple[Value, ...], batch: Batch, index: int
) -> tuple[tuple[Tensor, ...], int | None]:
    """The tensors of a batch and how many samples it has; None without a batch axis."""
    tensors = (batch,) if isinstance(batch, Tensor) else batch
    if not isinstance(tensors, tuple | list) or not all(isinstance(x, Tensor) for x in tensors):
        got = [type(x).__name__ for x in tensors] if isinstance(tensors, tuple | list) else ""
        raise CalibrationError(
            f"calibration batch {index} must be a Tensor or a tuple of Tensors, not a"
            f" {type(batch).__name__}{f' of {got}' if got else ''}"
        )
    if len(tensors) != len(inputs):
        names = ", ".join(f"{value.name} {describe(value.shape)}" for value in inputs)
        raise CalibrationError(
            f"calibration batch {index} has {len(tensors)} tensors, but the network has"
            f" {len(inputs)} inputs: {names}. Of pairs (input, target) pass the input alone:"
            " (x for x, _ in loader)"
        )
    samples: int | None = None
    for value, x in zip(inputs, tensors, strict=True):
        samples = _check(value, x, samples, index)
    return tuple(x.detach().cpu() for x in tensors), samples


def _check(value: Value, x: Tensor, samples: int | None, index: int) -> int | None:
    where = f'calibration batch {index}, input "{value.name}"'
    if not _has_dtype(value, x):
        raise CalibrationError(f"{where}: expected dtype {value.dtype.storage}, got {x.dtype}")
    axis = batch_axis(value.shape)
    if axis is not None and samples is None and x.ndim == len(value.shape):
        samples = x.shape[axis] // -value.shape[axis]
    if tuple(x.shape) != with_batch(value.shape, -1 if samples is None else samples):
        at = f" with N = {samples}" if axis is not None and samples is not None else ""
        raise CalibrationError(
            f"{where}: expected shape {describe(value.shape)}{at}, got {tuple(x.shape)}"
        )
    return samples


def _has_dtype(value: Value, x: Tensor) -> bool:
    if isinstance(value.dtype, Float):
        return str(x.dtype) == f"torch.{value.dtype.storage}"
    return not x.dtype.is_floating_point and not x.dtype.is_complex  # ids of any integer type


def batch_axis(shape: Shape) -> int | None:
    """The axis that grows with the batch."""
    return next((axis for axis, dim in enumerate(shape) if dim < 0), None)


def by_sample(x: Tensor, shape: Shape, samples: int) -> Tensor:
    """The tensor with one entry a sample along axis 0; the order within a sample may change.

    A value that does not depend on the batch is repeated, as every sample has it.
    """
    axis = batch_axis(shape)
    if axis is None:
        return x.expand(samples, *x.shape)
    x = x.movedim(axis, 0)
    if shape[axis] != -1:  # batch-major: heads of one sample follow each other
        x = x.reshape(samples, -1, *x.shape[1:])
    if x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last):
        x = x.permute(0, 2, 3, 1)  # as it lies in memory, or every reduction copies it
    return x


def _joined(inputs: tuple[Value, ...], waiting: Sequence[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    if len(waiting) == 1:
        return waiting[0]
    parts = zip(*waiting, strict=True)
    return tuple(
        part[0] if axis is None else torch.cat(part, dim=axis)
        for part, axis in zip(parts, _axes(inputs), strict=True)
    )


def _part(
    inputs: tuple[Value, ...], tensors: tuple[Tensor, ...], start: int, samples: int
) -> tuple[Tensor, ...]:
    cut = []
    for value, x, axis in zip(inputs, tensors, _axes(inputs), strict=True):
        each = 1 if axis is None else -value.shape[axis]
        cut.append(x if axis is None else x.narrow(axis, start * each, samples * each))
    return tuple(cut)


def _axes(inputs: tuple[Value, ...]) -> list[int | None]:
    return [batch_axis(value.shape) for value in inputs]
