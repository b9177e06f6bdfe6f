"""Samples in an `.npz` file: `x` (N, ...) and, where there are labels, `y` (N,)."""

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from intact.data.batch import Batch, as_array, fit_inputs, labels
from intact.errors import CalibrationError, FormatError
from intact.ir.graph import Value
from intact.numerics.arrays import Array


@dataclass(frozen=True, slots=True)
class ArrayData:
    """Samples in memory, checked."""

    inputs: tuple[Array, ...]
    targets: Array | None
    whole_numbers: bool = False  # given as integers, to a network that takes real numbers

    @property
    def count(self) -> int:
        """The number of samples."""
        return len(self.inputs[0])

    @property
    def classes(self) -> int | None:
        """Labels are numbers here; nothing says how many classes there are."""
        return None

    def batches(self, size: int) -> Iterator[Batch]:
        """All samples, `size` at a time."""
        for start in range(0, self.count, size):
            part = slice(start, start + size)
            targets = None if self.targets is None else self.targets[part]
            yield Batch(tuple(array[part] for array in self.inputs), targets)


def array_data(
    inputs: Sequence[object], targets: object | None, declared: Sequence[Value], where: str
) -> ArrayData:
    """Checked samples from arrays or tensors.

    Raises:
        CalibrationError: for shapes, numbers, labels or lengths that do not fit.
    """
    given = [as_array(x) for x in inputs]
    fitted = fit_inputs(given, declared, where)
    whole = any(a.dtype.kind in "iu" and b.dtype.kind not in "iu" for a, b in zip(given, fitted))  # noqa: B905
    if not len(fitted[0]):
        raise CalibrationError(f"{where}: there are no samples")
    if targets is None:
        return ArrayData(fitted, None, whole)
    classes = labels(as_array(targets), where)
    if len(classes) != len(fitted[0]):
        raise CalibrationError(f"{where}: {len(fitted[0])} samples, but {len(classes)} labels")
    return ArrayData(fitted, classes, whole)


def read_npz(path: Path, declared: Sequence[Value]) -> ArrayData:
    """`x` and, if present, `y`; a network of several inputs reads one array by each input's name.

    Nothing is unpickled.

    Raises:
        FormatError: if this is no `.npz` file, or an array is missing or holds Python objects.
        CalibrationError: if the samples do not fit the network.
    """
    keys = ["x"] if len(declared) == 1 else [value.name for value in declared]
    inputs, targets = read_arrays(path, keys)
    return array_data(inputs, targets, declared, str(path))


def read_arrays(path: Path, keys: list[str]) -> tuple[list[Array], Array | None]:
    """The arrays of these names, and `y` if it is there.

    Raises:
        FormatError: if this is no `.npz` file, or an array is missing or holds Python objects.
    """
    try:
        with path.open("rb") as stream:
            return _arrays(path, np.load(stream, allow_pickle=False), keys)
    except (ValueError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise FormatError(f"{path} cannot be read as an .npz of plain arrays: {error}") from error


def _arrays(path: Path, archive: object, keys: list[str]) -> tuple[list[Array], Array | None]:
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise FormatError(f"{path} holds a single array; save it with np.savez(path, x=...)")
    missing = [key for key in keys if key not in archive]
    if missing:
        raise FormatError(
            f"{path} has no array {', '.join(map(repr, missing))};"
            f" it holds: {', '.join(archive.files) or 'nothing'}"
        )
    return [archive[key] for key in keys], archive.get("y")
