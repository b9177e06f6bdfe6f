"""Reads a `.pt2` file of `torch.export.save` without unpickling what it may hold.

`torch.export.load` unpickles weights that are marked so, objects that are no tensors, and example
inputs that are more than plain tensors. A network of layers needs none of these, so a file with any
of them is refused before torch sees it. What remains is still read by torch, which evaluates the
size expressions in it: open only files that you would also run.
"""

import io
import json
import pickle
import zipfile
from pathlib import Path, PurePosixPath

import torch
from torch.export import ExportedProgram

from intact.errors import FormatError

_HINT = "save it again with torch.export.save of torch 2.9 or newer"


def load_pt2(path: Path) -> ExportedProgram:
    """The exported program in a file.

    Raises:
        FormatError: if the file is damaged, of another kind, or would need unpickling.
        FileNotFoundError: if there is no such file.
    """
    _refuse_pickles(path)
    try:
        return torch.export.load(path)
    except OSError:
        raise
    except Exception as error:  # torch has no exception class of its own for damaged files
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise FormatError(f"{path} cannot be loaded as an exported program: {reason}") from error


def _refuse_pickles(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if len(set(names)) != len(names):
                raise FormatError(f"{path} holds files of the same name twice; {_HINT}")
            inner = {PurePosixPath(*PurePosixPath(name).parts[1:]): name for name in names}
            for part, name in inner.items():
                _check_part(path, part, archive.read(name))
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise FormatError(f"{path} is no .pt2 file, or a damaged one: {error}") from error
    if PurePosixPath("archive_format") not in inner:
        raise FormatError(f"{path} is no .pt2 file of the present format; {_HINT}")


def _check_part(path: Path, part: PurePosixPath, content: bytes) -> None:
    folder = str(part.parent)
    is_config = part.suffix == ".json"
    if folder in ("data/weights", "data/constants") and is_config:
        if _names_pickles(path, part, content):
            raise FormatError(f"{path} holds pickled weights or objects, which may run code")
    elif folder in ("data/weights", "data/constants") and part.suffix:
        raise FormatError(f"{path} holds {part}, a pickle of an older format; {_HINT}")
    elif part.name.startswith(("custom_obj", "opaque_obj")):
        raise FormatError(f"{path} holds {part}, a Python object that may run code")
    elif folder == "data/sample_inputs":
        try:
            torch.load(io.BytesIO(content), weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
            raise FormatError(
                f"{path} holds example inputs that are more than tensors, which may run code"
            ) from error


def _names_pickles(path: Path, part: PurePosixPath, content: bytes) -> bool:
    try:
        config = json.loads(content)["config"]
        return any(entry["use_pickle"] for entry in config.values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(f"{path} is damaged: {part} is not what torch writes") from error
