"""Runtimes that a network is timed in: intact's own and others.

Each makes a call of a file and a batch. Whatever does not depend on the numbers of the batch (its
layout, its type, fixed shapes) is settled before the first call.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np

from intact.numerics.arrays import Array

Batch: TypeAlias = tuple[Array, ...]
Call: TypeAlias = Callable[[], Batch]


class Peer(Protocol):
    """A runtime."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def version(self) -> str:
        """Of the installed package.

        Raises:
            PackageNotFoundError: if it is not installed.
        """

    def load(self, model: Path, batch: Batch, threads: int) -> Call:
        """A function that computes the outputs of `batch` with so many threads.

        Raises:
            ImportError: if the runtime is not installed.
            Exception: whatever the runtime raises if it cannot run the file.
        """


@dataclass(frozen=True, slots=True)
class Native:
    """intact's native engine; runs `.intact` files."""

    name: str = "intact"

    @property
    def version(self) -> str:
        """Of intact; empty if it runs from its sources."""
        try:
            return version("intact")
        except PackageNotFoundError:
            return ""

    def load(self, model: Path, batch: Batch, threads: int) -> Call:
        """The engine's call with arrays."""
        from intact.api.engine import compile as compile_engine
        from intact.api.network import QuantizedNetwork

        network = QuantizedNetwork.load(model)
        engine = compile_engine(network, executor="native", threads=threads)
        return lambda: engine.arrays(batch)


@dataclass(frozen=True, slots=True)
class OnnxRuntime:
    """ONNX Runtime on the CPU; runs `.onnx` files. `settings` are entries of its session."""

    name: str = "onnxruntime"
    settings: tuple[tuple[str, str], ...] = ()

    @property
    def version(self) -> str:
        """Of onnxruntime."""
        return version("onnxruntime")

    def load(self, model: Path, batch: Batch, threads: int) -> Call:
        """With all optimizations, which are the default."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        for key, value in self.settings:
            options.add_session_config_entry(key, value)
        session = onnxruntime.InferenceSession(
            str(model), options, providers=["CPUExecutionProvider"]
        )
        names = [entry.name for entry in session.get_inputs()]
        feeds = dict(zip(names, batch, strict=True))
        return lambda: tuple(session.run(None, feeds))


@dataclass(frozen=True, slots=True)
class OpenVino:
    """OpenVINO on the CPU; runs `.onnx` files. `settings` are properties of its CPU plugin."""

    name: str = "openvino"
    settings: tuple[tuple[str, str], ...] = ()

    @property
    def version(self) -> str:
        """Of openvino."""
        return version("openvino")

    def load(self, model: Path, batch: Batch, threads: int) -> Call:
        """Compiled for one request at a time, and for the batch's shapes."""
        import openvino

        core = openvino.Core()
        network = core.read_model(model)
        ports = [port.any_name for port in network.inputs]
        network.reshape({n: x.shape for n, x in zip(ports, batch, strict=True)})
        settings: Mapping[str, str | int | bool] = {
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "ENABLE_HYPER_THREADING": False,
            "ENABLE_CPU_PINNING": False,
            "INFERENCE_PRECISION_HINT": "f32",  # where it computes in float; else 16 bits may do
            **dict(self.settings),
        }
        request = core.compile_model(network, "CPU", dict(settings)).create_infer_request()
        feeds = list(batch)

        def call() -> Batch:
            results = request.infer(feeds, share_inputs=True, share_outputs=True)
            return tuple(results.to_tuple())

        return call


@dataclass(frozen=True, slots=True)
class LiteRt:
    """LiteRT with its default kernels (XNNPACK); runs `.tflite` files."""

    name: str = "litert"

    @property
    def version(self) -> str:
        """Of ai-edge-litert."""
        return version("ai-edge-litert")

    def load(self, model: Path, batch: Batch, threads: int) -> Call:
        """Outputs are those of the file; integers are turned into real numbers."""
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(model_path=str(model), num_threads=threads)
        entries = interpreter.get_input_details()
        arrays = [_fitted(x, entry["shape"]) for x, entry in zip(batch, entries, strict=True)]
        for entry, array in zip(entries, arrays, strict=True):
            interpreter.resize_tensor_input(entry["index"], array.shape)
        interpreter.allocate_tensors()
        feeds = [
            (entry["index"], _coded(x, entry)) for x, entry in zip(arrays, entries, strict=True)
        ]
        outputs = interpreter.get_output_details()

        def call() -> Batch:
            for index, array in feeds:
                interpreter.set_tensor(index, array)
            interpreter.invoke()
            return tuple(_real(interpreter.get_tensor(o["index"]), o) for o in outputs)

        return call


def _fitted(array: Array, shape: Array) -> Array:
    """Channels last where the file wants them so; `shape` is that of one sample, or of several.

    Raises:
        ValueError: if neither order of axes fits.
    """
    wanted = tuple(int(size) for size in shape[1:])
    if array.shape[1:] == wanted:
        return array
    last = np.moveaxis(array, 1, -1)
    if last.shape[1:] != wanted:
        raise ValueError(f"the file takes samples of shape {wanted}, not {array.shape[1:]}")
    return np.ascontiguousarray(last)


def _coded(array: Array, entry: Mapping[str, Any]) -> Array:
    scale, zero_point = entry["quantization"]
    dtype = np.dtype(entry["dtype"])
    if dtype.kind == "f" or array.dtype.kind != "f":
        return array.astype(dtype)
    limits = np.iinfo(dtype)
    codes: Array = np.rint(array / np.float32(scale)) + zero_point
    return codes.clip(limits.min, limits.max).astype(dtype)


def _real(array: Array, entry: Mapping[str, Any]) -> Array:
    scale, zero_point = entry["quantization"]
    if array.dtype.kind == "f" or not scale:
        return array
    return (array.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)
