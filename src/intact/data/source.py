"""Opens DATA as the command line spells it."""

from collections.abc import Sequence
from pathlib import Path

from intact.data.arrays import read_npz
from intact.data.batch import Dataset
from intact.data.function import FunctionData
from intact.data.images import ImageOptions, open_images
from intact.data.user_code import is_function, load_function
from intact.errors import FormatError
from intact.ir.graph import Value


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
    path = Path(source)
    if path.is_dir():
        return open_images(path, tuple(declared), images or ImageOptions())
    if not path.exists():
        raise FileNotFoundError(f"{source}: no such file or folder")
    if path.suffix != ".npz":
        raise FormatError(
            f"{source}: data are an .npz file, a folder of images, or file.py:function"
        )
    return read_npz(path, declared)
