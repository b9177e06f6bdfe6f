"""What the user calls a network, as a Graph."""

from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from intact.api.pt2 import load_pt2
from intact.capture.export import capture, capture_exported
from intact.errors import FormatError
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.numerics.arrays import Array

Example: TypeAlias = Tensor | Array
Model: TypeAlias = nn.Module | ExportedProgram | Graph[FloatOp] | str | Path


def to_graph(
    model: Model, example_input: Example | tuple[Example, ...] | None = None
) -> Graph[FloatOp]:
    """The captured network; a module needs an example input.

    Raises:
        FormatError: if the file is damaged or of an unknown kind.
        UnsupportedOpError: if the network holds an operation that intact cannot capture.
        ValueError: for a module without an example input, or anything that is no network.
    """
    match model:
        case Graph():
            return model
        case ExportedProgram():
            return capture_exported(model)
        case nn.Module():
            if example_input is None:
                raise ValueError("a module needs an example input: pass example_input=x")
            several = isinstance(example_input, tuple)
            given = example_input if several else (example_input,)
            return capture(model, tuple(torch.as_tensor(x) for x in given))
        case str() | Path():
            return read_graph(Path(model))
        case _:
            raise ValueError(
                f"{type(model).__name__} is no network; pass an nn.Module, an exported program,"
                " a Graph, or the path of an .onnx or .pt2 file"
            )


def read_graph(path: Path) -> Graph[FloatOp]:
    """The network in an `.onnx` or `.pt2` file.

    Raises:
        FileNotFoundError: if there is no such file.
        FormatError: if it is damaged or of another kind.
        UnsupportedOpError: if it holds an operation that intact cannot capture.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; a network is an .onnx or a .pt2 file")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    match path.suffix:
        case ".onnx":
            from intact.capture.onnx import load_onnx  # onnx is optional

            return load_onnx(path)
        case ".pt2":
            return capture_exported(load_pt2(path))
        case _:
            raise FormatError(f"{path}: a network is an .onnx or a .pt2 file")
