"""DATA as the commands read it: in batches, up to a limit, with progress."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from intact.cli.output import Show, note
from intact.data.arrays import ArrayData
from intact.data.batch import Batch, Dataset
from intact.data.images import ImageOptions
from intact.data.source import open_data
from intact.errors import CalibrationError
from intact.ir.graph import Value
from intact.numerics.arrays import Array


@dataclass(frozen=True, slots=True)
class Reading:
    """How samples are read."""

    images: ImageOptions
    batch_size: int
    limit: int | None

    def check(self, *sources: str | None) -> None:
        """Complains of options about images where there are none.

        Raises:
            ValueError: if no source is a folder.
        """
        if self.images != ImageOptions() and not any(s and Path(s).is_dir() for s in sources):
            raise ValueError(
                "--mean, --std and --short-side are about folders of images; other samples are"
                " used as they are"
            )


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of a DATA; iterating gives the inputs alone, as calibration wants them."""

    source: str
    data: Dataset
    reading: Reading

    @property
    def count(self) -> int | None:
        """The number of samples that will be read, where it is known."""
        known = [n for n in (self.data.count, self.reading.limit) if n is not None]
        return min(known) if self.data.count is not None else None

    def __iter__(self) -> Iterator[tuple[Array, ...]]:
        """The inputs of each batch."""
        return (batch.inputs for batch in self.batches())

    def batches(self, show: Show | None = None, what: str = "reading") -> Iterator[Batch]:
        """The batches; `show` hears of each when it has been worked on."""
        done = 0
        for batch in self.data.batches(self.reading.batch_size):
            left = len(batch) if self.reading.limit is None else self.reading.limit - done
            if left <= 0:
                return
            kept = batch.head(left)
            yield kept
            done += len(kept)
            if show is not None:
                show(what, done, self.count)

    def labelled(self, show: Show | None = None, what: str = "reading") -> Iterator[Batch]:
        """The same, each with labels.

        Raises:
            CalibrationError: if there are none.
        """
        for batch in self.batches(show, what):
            if batch.targets is None:
                raise CalibrationError(f"{self.source}: there are no labels to compare with")
            yield batch

    def check_classes(self, outputs: int) -> None:
        """Folders are classes only if there is one for each output of the network.

        Raises:
            CalibrationError: if the numbers differ.
        """
        if self.data.classes not in (None, outputs):
            raise CalibrationError(
                f"{self.source} has {self.data.classes} folders of classes, but the network has"
                f" {outputs} outputs; give all classes a folder, or use labels.csv (file,label)"
            )


def open_samples(source: str, inputs: Sequence[Value], reading: Reading) -> Samples:
    """Opens a DATA for a network with these inputs.

    A network of a fixed batch size reads batches of that size. Whole numbers for a network that
    takes real ones, which may be pixels that nobody scaled, are used as they are, and noted.
    """
    rows = inputs[0].shape[0]
    size = rows if rows > 0 else reading.batch_size
    data = open_data(source, inputs, reading.images)
    if isinstance(data, ArrayData) and data.whole_numbers:
        note(f"{source} holds whole numbers; they are used as they are, and never scaled")
    return Samples(source, data, Reading(reading.images, size, reading.limit))
