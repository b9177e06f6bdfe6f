"""Batch, what every source of samples yields, and what every source checks."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from intact.errors import CalibrationError
from intact.ir.graph import Value
from intact.numerics.arrays import Array
from intact.numerics.formats import Float


@dataclass(frozen=True, slots=True)
class Batch:
    """Some samples: an array (N, ...) for each input of the network, and labels (N,) or None."""

    inputs: tuple[Array, ...]
    targets: Array | None

    def __len__(self) -> int:
        """The number of samples."""
        return len(self.inputs[0])

    def head(self, count: int) -> "Batch":
        """The first samples, or all if there are fewer."""
        return _cut(self, 0, count)


class Dataset(Protocol):
    """Samples that can be read again, in the same order."""

    @property
    def count(self) -> int | None:
        """The number of samples, where it is known before reading them."""

    @property
    def classes(self) -> int | None:
        """The number of classes, where the source names them."""

    def batches(self, size: int) -> Iterator[Batch]:
        """All samples, `size` at a time; the last batch may be smaller."""


def is_array(x: object) -> bool:
    """Whether this is one array or tensor: NumPy's, torch's or any that speaks DLPack."""
    return hasattr(x, "__dlpack__")


def as_array(x: object) -> Array:
    """An array, tensor, number or nested list as a NumPy array, of the same memory if it can be.

    Imports no torch.

    Raises:
        CalibrationError: if it lies in another device's memory.
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(x, torch.Tensor):
        plain = x.detach().cpu()
        return np.asarray((plain.float() if plain.dtype == torch.bfloat16 else plain).numpy())
    if hasattr(x, "__dlpack__") and not hasattr(x, "__array__"):
        try:
            return np.from_dlpack(x)
        except (BufferError, RuntimeError) as error:
            raise CalibrationError(
                f"{type(x).__name__} cannot be read as a NumPy array ({error});"
                " copy it to the CPU, as a type that NumPy has"
            ) from error
    return np.asarray(x)


@contextmanager
def blaming_indices(declared: Sequence[Value], where: str) -> Iterator[None]:
    """An index outside of an embedding's table is the samples' fault, if they are indices.

    Raises:
        CalibrationError: instead of IndexError, if an input of the network takes integers.
    """
    try:
        yield
    except IndexError as error:
        if all(isinstance(value.dtype, Float) for value in declared):
            raise
        raise CalibrationError(
            f"{where}: a sample holds an index outside of the network's table: {error}"
        ) from error


def fit_inputs(arrays: Sequence[Array], declared: Sequence[Value], where: str) -> tuple[Array, ...]:
    """A batch's arrays as the network takes them: dtypes converted, shapes and numbers checked.

    `where` names the samples in messages.

    Raises:
        CalibrationError: for the wrong number of inputs, a wrong shape, NaN or infinity.
    """
    if len(arrays) != len(declared):
        names = ", ".join(value.name for value in declared)
        raise CalibrationError(
            f"{where}: {len(arrays)} inputs a sample, but the network has {len(declared)} ({names})"
        )
    fitted = tuple(_fit(a, value, where) for a, value in zip(arrays, declared, strict=True))
    if len({len(array) for array in fitted}) > 1:
        lengths = ", ".join(str(len(array)) for array in fitted)
        raise CalibrationError(f"{where}: inputs of different numbers of samples ({lengths})")
    return fitted


def _fit(array: Array, declared: Value, where: str) -> Array:
    if array.ndim == 0 or not _fits(array.shape[1:], declared.shape[1:]):
        raise CalibrationError(
            f"{where}: a batch has shape {array.shape},"
            f' but input "{declared.name}" of the network is {_described(declared)}'
        )
    if array.dtype.kind not in "biuf":
        raise CalibrationError(f"{where}: samples of type {array.dtype} are not numbers")
    if isinstance(declared.dtype, Float):
        # Infinity after the conversion too: float64 may hold what float32 cannot.
        with np.errstate(over="ignore"):
            converted = array.astype(declared.dtype.storage, copy=False)
        if not np.isfinite(converted).all():
            raise CalibrationError(f"{where}: samples hold NaN or infinity; remove or repair them")
        return converted
    if array.dtype.kind == "f":
        raise CalibrationError(
            f'{where}: samples of type {array.dtype}, but input "{declared.name}" takes integers'
        )
    return array.astype(declared.dtype.storage, copy=False)


def _fits(sizes: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    """Whether the sizes are these; a negative one depends on the batch and is the engine's."""
    return len(sizes) == len(expected) and all(
        want < 0 or got == want for got, want in zip(sizes, expected, strict=True)
    )


def _described(declared: Value) -> str:
    sizes = ["N" if dim < 0 else str(dim) for dim in declared.shape]
    return f"({', '.join(sizes)})"


def labels(targets: Array, where: str) -> Array:
    """Class labels as int64 (N,).

    Raises:
        CalibrationError: if they are not whole numbers, one for each sample.
    """
    flat = targets.reshape(-1) if targets.ndim == 2 and targets.shape[1] == 1 else targets
    if flat.dtype.kind not in "biu" or flat.ndim != 1:
        raise CalibrationError(
            f"{where}: labels must be one whole number a sample,"
            f" not {targets.dtype} of shape {targets.shape}"
        )
    return flat.astype(np.int64)


def regroup(batches: Iterable[Batch], size: int) -> Iterator[Batch]:
    """The same samples, `size` at a time; the last batch may be smaller."""
    waiting: list[Batch] = []
    held = 0
    for batch in batches:
        waiting.append(batch)
        held += len(batch)
        while held >= size:
            merged = _join(waiting)
            yield _cut(merged, 0, size)
            held -= size
            waiting = [_cut(merged, size, len(merged))] if held else []
    if held:
        yield _join(waiting)


def _join(batches: Sequence[Batch]) -> Batch:
    if len(batches) == 1:
        return batches[0]
    inputs = tuple(np.concatenate(parts) for parts in zip(*(b.inputs for b in batches)))  # noqa: B905
    targets = [b.targets for b in batches if b.targets is not None]
    return Batch(inputs, np.concatenate(targets) if targets else None)


def _cut(batch: Batch, start: int, stop: int) -> Batch:
    targets = None if batch.targets is None else batch.targets[start:stop]
    return Batch(tuple(array[start:stop] for array in batch.inputs), targets)
