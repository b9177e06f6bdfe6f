"""Opens DATA as the command line spells it."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from intact.data.arrays import read_arrays, read_npz
from intact.data.batch import Dataset, as_array
from intact.data.function import FunctionData, split, watched
from intact.data.images import ImageOptions, open_images
from intact.data.user_code import is_function, load_function
from intact.errors import CalibrationError, FormatError
from intact.ir.graph import Value
from intact.numerics.arrays import Array


def open_data(
    source: str, declared: Sequence[Value], images: ImageOptions | None = None
) -> Dataset:
    """Samples from an `.npz` file, a folder of images, or `file.py:function`.

    `declared` are the inputs of the network; samples are checked against them as they are read.

    Raises:
        FileNotFoundError: if there is no such file.
        FormatError: if it cannot be read.
        CalibrationError: if the samples do not fit the network.
    """
    if is_function(source):
        return FunctionData(source, load_function(source), tuple(declared))
    if Path(source).is_dir():
        return open_images(Path(source), tuple(declared), images or ImageOptions())
    return read_npz(_npz(source), declared)


def first_inputs(source: str) -> tuple[Array, ...]:
    """The first samples, to learn the shape of an input of a network that does not say it.

    Raises:
        CalibrationError: for images, whose size the network decides, and if there are no samples.
    """
    if Path(source).is_dir():
        raise CalibrationError(
            f"{source}: images are resized to the network's input, which is not known;"
            " let the network's function return (module, example input)"
        )
    if not is_function(source):
        return (read_arrays(_npz(source), ["x"])[0][0][:1],)
    found = load_function(source)()
    item = next(watched(found, source), None) if isinstance(found, Iterable) else None
    if item is None:
        raise CalibrationError(f"{source}: there are no samples")
    inputs, target = split(item, 1)
    single = target is not None and as_array(target).ndim == 0
    return tuple(as_array(x)[None] if single else as_array(x) for x in inputs)


def _npz(source: str) -> Path:
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(f"{source}: no such file or folder")
    if path.suffix == ".py":
        raise FormatError(f"{source}: name a function of the file, as {source}:function")
    if path.suffix != ".npz":
        raise FormatError(
            f"{source}: data are an .npz file, a folder of images, or file.py:function"
        )
    return path
