"""Samples from `file.py:function`, which returns an iterable of (input, target) or of inputs."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from intact.data.batch import Batch, as_array, fit_inputs, labels, regroup
from intact.data.user_code import blaming
from intact.errors import CalibrationError, FormatError
from intact.ir.graph import Value
from intact.numerics.arrays import Array

Parts: TypeAlias = tuple[Sequence[object], object | None]


@dataclass(frozen=True, slots=True)
class FunctionData:
    """The function is called anew for every pass over the samples."""

    source: str
    function: Callable[[], object]
    declared: tuple[Value, ...]

    @property
    def count(self) -> int | None:
        """The number is known only when all have been read."""
        return None

    @property
    def classes(self) -> int | None:
        """Labels are numbers here; nothing says how many classes there are."""
        return None

    def batches(self, size: int) -> Iterator[Batch]:
        """All samples, `size` at a time, however many the function yields at once.

        Raises:
            CalibrationError: if samples do not fit the network, or there are none.
            FormatError: if the function fails, or returns nothing to iterate over.
        """
        return regroup(self._items(), size)

    def _items(self) -> Iterator[Batch]:
        found = self.function()
        if not isinstance(found, Iterable) or isinstance(found, str | bytes):
            raise FormatError(
                f"{self.source} returned {type(found).__name__},"
                " not an iterable of (input, target) or of inputs"
            )
        labelled: bool | None = None
        for number, item in enumerate(watched(found, self.source)):
            where = f"{self.source}, item {number}"
            batch = item_batch(item, self.declared, where)
            if labelled is not None and labelled != (batch.targets is not None):
                raise CalibrationError(f"{where}: some items have a target and some have none")
            labelled = batch.targets is not None
            yield batch
        if labelled is None:
            raise CalibrationError(f"{self.source}: there are no samples")


def watched(items: Iterable[object], source: str) -> Iterator[object]:
    """The same items; what the user's code raises on the way is a FormatError."""
    with blaming(source):
        iterator = iter(items)
    while True:
        with blaming(source):
            try:
                item = next(iterator)
            except StopIteration:
                return
        yield item


def item_batch(item: object, declared: Sequence[Value], where: str) -> Batch:
    """One item as a checked batch: (input, target) or an input, of one sample or of several.

    An array of the rank of the network's input is a batch, of one less a single sample. For a
    network of several inputs, the input is a tuple of one array for each.
    """
    inputs, target = split(item, len(declared))
    fitted, single = _fitted(inputs, declared, where)
    if target is None:
        return Batch(fitted, None)
    array = as_array(target)
    targets = labels(array.reshape(1) if single and array.ndim == 0 else array, where)
    if len(targets) != len(fitted[0]):
        raise CalibrationError(f"{where}: {len(fitted[0])} samples, but {len(targets)} labels")
    return Batch(fitted, targets)


def item_inputs(item: object, declared: Sequence[Value], where: str) -> tuple[Array, ...]:
    """The checked inputs of an item as above; a target may be there, and may be anything."""
    return _fitted(split(item, len(declared))[0], declared, where)[0]


def _fitted(
    inputs: Sequence[object], declared: Sequence[Value], where: str
) -> tuple[tuple[Array, ...], bool]:
    arrays = [as_array(x) for x in inputs]
    single = len(arrays) == len(declared) and all(
        array.ndim == len(value.shape) - 1 for array, value in zip(arrays, declared, strict=True)
    )
    if single:
        arrays = [array[None] for array in arrays]
    return fit_inputs(arrays, declared, where), single


def split(item: object, inputs: int) -> Parts:
    """(inputs, target) of an item of a network with so many inputs.

    For one input a pair is (input, target). For several, a pair whose first is a tuple is.

    Raises:
        CalibrationError: if it is a mapping, which says nothing of the order of inputs.
    """
    if isinstance(item, Mapping):
        raise CalibrationError(
            f"a batch is a {type(item).__name__}; give the inputs, or (inputs, target)"
        )
    if not isinstance(item, tuple | list):
        return [item], None
    if len(item) == 2 and isinstance(item[0], tuple | list):
        return item[0], item[1]
    if inputs == 1 and len(item) == 2:
        return item[:1], item[1]
    return item, None
