"""Opens what the command line calls MODEL and NET."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from intact.api.engine import DEFAULT, Engine
from intact.api.engine import compile as compile_engine
from intact.api.network import QuantizedNetwork
from intact.data.source import first_inputs
from intact.data.user_code import is_function, load_function
from intact.errors import FormatError
from intact.exec.cores import available_cores
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.numerics.arrays import Array

if TYPE_CHECKING:
    from torch import Tensor

ExecutorName: TypeAlias = Literal["native", "reference", "onnxruntime", "litert", "float"]
EXECUTORS: tuple[ExecutorName, ...] = ("native", "reference", "onnxruntime", "litert", "float")


@dataclass(frozen=True, slots=True)
class Running:
    """A network that can be called, and how it runs."""

    source: str
    executor: ExecutorName
    engine: Engine


def is_quantized(source: str) -> bool:
    """Whether this is a NET; anything else is a MODEL."""
    return source.endswith((".intact", ".tflite"))


def open_network(source: str) -> QuantizedNetwork:
    """A NET.

    Raises:
        ValueError: if it is spelled like something else.
    """
    if not is_quantized(source):
        raise ValueError(
            f"{source} is no quantized network; that is a .tflite file, or the .intact file that"
            " intact quantize makes"
        )
    if not Path(source).exists():
        raise FileNotFoundError(f"{source}: no such file")
    return QuantizedNetwork.load(source)


def open_graph(source: str, samples: str | None = None) -> Graph[FloatOp]:
    """A MODEL, captured.

    `samples` is the DATA that shows the shape of an input, for a file.py:function that returns a
    module alone.

    Raises:
        FormatError, UnsupportedOpError, FileNotFoundError, ValueError: if it cannot be.
    """
    from intact.api.model import read_graph

    if source.endswith(".py"):
        raise ValueError(f"{source}: name a function of the file, as {source}:function")
    if source.endswith(".tflite"):
        raise ValueError(
            f"{source}: a .tflite file is read with the integers that it has; name the .onnx or"
            " .pt2 file of the network that it was made from"
        )
    if is_quantized(source):
        raise ValueError(f"{source} is quantized already; name the network that it was made from")
    if not is_function(source):
        return read_graph(Path(source))
    return _from_function(source, samples)


def _from_function(source: str, samples: str | None) -> Graph[FloatOp]:
    import torch

    from intact.capture.export import capture

    found = load_function(source)()
    example: tuple[Tensor, ...] | Tensor
    match found:
        case torch.nn.Module():
            if samples is None:
                raise ValueError(
                    f"{source} returned a module alone; return (module, example input)"
                )
            module, example = found, tuple(_tensor(x) for x in first_inputs(samples))
        case (torch.nn.Module() as module, torch.Tensor() | tuple() as example):
            pass
        case _:
            raise FormatError(
                f"{source} returned {type(found).__name__},"
                " not an nn.Module or (nn.Module, example input)"
            )
    return capture(module, example)


def _tensor(array: Array) -> "Tensor":
    import torch

    return torch.tensor(array).float() if array.dtype.kind == "f" else torch.tensor(array)


def start(
    source: str, executor: ExecutorName | None, samples: str, threads: int | None = None
) -> Running:
    """A NET or MODEL, ready to run; MODELs run in float by default.

    `threads` are the native executor's: by default one for each core that the process may use.

    Raises:
        ValueError: if this executor cannot run it.
    """
    if is_quantized(source):
        return _start_quantized(source, executor or DEFAULT, threads)
    if threads is not None:
        raise ValueError(f"--threads is for the native executor; {source} is not quantized")
    return _start_float(source, executor or "float", samples)


def _start_quantized(source: str, executor: ExecutorName, threads: int | None) -> Running:
    if executor == "float":
        raise ValueError(f"{source} holds integers only; to run in float, name the MODEL instead")
    if threads is None:
        threads = available_cores() if executor == "native" else 1
    engine = compile_engine(open_network(source), executor=executor, threads=threads)
    return Running(source, executor, engine)


def _start_float(source: str, executor: ExecutorName, samples: str) -> Running:
    from intact.api.float_engine import float_engine

    if executor in ("native", "reference", "litert"):
        raise ValueError(f"{source} is not quantized; {executor} runs .intact and .tflite files")
    graph = open_graph(source, samples)
    if executor == "float":
        return Running(source, executor, float_engine(graph))
    if not source.endswith(".onnx"):
        raise ValueError(f"ONNX Runtime runs .onnx and .intact files, not {source}")
    from intact.api.ort import file_session

    return Running(source, executor, Engine(graph.inputs, file_session(Path(source))))
