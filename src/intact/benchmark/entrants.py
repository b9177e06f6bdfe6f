"""A quantized network as contestants: the files that each runtime reads."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from intact.api.layers import float_layers
from intact.api.network import QuantizedNetwork
from intact.benchmark.layerwise import layerwise
from intact.benchmark.peers import LiteRt, Native, OnnxRuntime, OpenVino
from intact.benchmark.worker import Contestant
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.ir.int_ops import Program
from intact.passes.inference import for_inference

PeerName: TypeAlias = Literal["onnxruntime", "openvino", "litert"]
PEERS: tuple[PeerName, ...] = get_args(PeerName)
_MODULES: dict[PeerName, str] = {
    "onnxruntime": "onnxruntime",
    "openvino": "openvino",
    "litert": "ai_edge_litert",
}


@dataclass(frozen=True, slots=True)
class Files:
    """One network as others read it; None where it has no such form.

    `onnx` is the exported file and `layers` its layers beside each other (`layerwise`); in the
    unsigned ones activations are uint8, for which ONNX Runtime has faster kernels.
    """

    native: Path
    exact: bool  # computes in integers throughout, so that the engine's outputs are the reference's
    onnx: Path | None = None
    layers: Path | None = None
    unsigned: Path | None = None
    unsigned_layers: Path | None = None
    float_onnx: Path | None = None
    tflite: Path | None = None


def is_installed(peer: PeerName) -> bool:
    """Whether its package can be imported."""
    return find_spec(_MODULES[peer]) is not None


def write_files(
    program: Program,
    folder: Path,
    against: Sequence[PeerName] = PEERS,
    *,
    graph: Graph[FloatOp] | None = None,
    tflite: Path | None = None,
) -> Files:
    """Writes what these peers read; `graph` is the network before it was quantized, to compare.

    Raises:
        ImportError: if ONNX files are needed, but onnx is not installed.
        UnsupportedOpError: if ONNX cannot express the network.
        OSError: if a file cannot be written.
    """
    native = folder / "network.intact"
    QuantizedNetwork(program).save(native)
    exact = not float_layers(program)
    if not {"onnxruntime", "openvino"}.intersection(against):
        return Files(native, exact, tflite=tflite)
    from intact.emit import onnx

    apart = layerwise(program)
    real = None if graph is None else folder / "float.onnx"
    if graph is not None and real is not None:
        onnx.save(for_inference(graph), real)
    whole = folder / "network.onnx"
    onnx.save(program, whole)
    if apart is None:
        return Files(native, exact, whole, float_onnx=real, tflite=tflite)
    layers, unsigned, unsigned_layers = (
        folder / f"{name}.onnx" for name in ("layers", "unsigned", "unsigned_layers")
    )
    onnx.save(apart.program, layers)
    onnx.save(program, unsigned, unsigned=True)
    onnx.save(apart.program, unsigned_layers, unsigned=True)
    return Files(native, exact, whole, layers, unsigned, unsigned_layers, real, tflite)


def contestants(files: Files, against: Sequence[PeerName]) -> tuple[Contestant, ...]:
    """The native engine first, then the peers in this order."""
    return (
        Contestant("intact", Native(), files.native, exact=files.exact),
        *(found for peer in against for found in _of_peer(files, peer)),
    )


def _of_peer(files: Files, peer: PeerName) -> Iterator[Contestant]:
    match peer:
        case "onnxruntime":
            if files.onnx is not None:
                yield Contestant(peer, OnnxRuntime(), files.onnx, files.layers)
            if files.unsigned is not None:
                yield Contestant(
                    f"{peer} uint8", OnnxRuntime(), files.unsigned, files.unsigned_layers
                )
            if files.float_onnx is not None:
                yield Contestant(f"{peer} float", OnnxRuntime(), files.float_onnx)
        case "openvino":
            if files.onnx is not None:
                yield Contestant(peer, OpenVino(), files.onnx, files.layers)
            if files.float_onnx is not None:
                yield Contestant(f"{peer} float", OpenVino(), files.float_onnx)
        case "litert":
            if files.tflite is not None:
                yield Contestant(peer, LiteRt(), files.tflite)
