"""export: a quantized network as a file that others run."""

from pathlib import Path

from intact.api.c_sources import export_c
from intact.api.network import QuantizedNetwork, to_program
from intact.emit.c import DEFAULT_NAME, Kernels
from intact.ir.int_ops import Program
from intact.model import QuantizedModel


def export(
    network: QuantizedNetwork | QuantizedModel | Program,
    path: str | Path,
    *,
    ram: int | None = None,
    flash: int | None = None,
    kernels: Kernels | None = None,
    name: str | None = None,
) -> None:
    """Writes the network in the format of the path's suffix, whole or not at all.

    `.onnx`: QDQ form, which any ONNX runtime executes, with integers that may differ from the
    reference's by one here and there; needs onnx.

    `.tflite`: codes in, codes out, channels last; LiteRT's reference kernels and TensorFlow Lite
    Micro compute the reference's integers; needs tflite and flatbuffers. A clamp with bounds for
    each channel is fused into no layer there: it costs an operation more.

    No suffix: a folder of C99 sources for microcontrollers, codes in, codes out, which compute the
    reference's integers (`intact.api.c_sources.export_c` also tells what they cost).

    Args:
        network: What `quantize` or `load` gave.
        path: A file, or a folder for C.
        ram: For C: bytes that its tensors may take, inputs and outputs included.
        flash: For C: bytes that its constants may take, and its code where that can be measured.
        kernels: For C: whose; by default ours.
        name: For C: how names of files and functions begin; by default model.

    Raises:
        ValueError: for any other suffix, or an argument for C with another format.
        UnsupportedOpError: if the format cannot express a part of the network.
        BudgetError: if a budget is too small.
        OSError: if the file or folder cannot be written.
    """
    target = Path(path)
    if target.suffix and any(given is not None for given in (ram, flash, kernels, name)):
        raise ValueError(f"{path}: ram, flash, kernels and name are for a folder of C sources")
    match target.suffix:
        case ".onnx":
            from intact.emit import onnx  # onnx is optional

            onnx.save(to_program(network), target)
        case ".tflite":
            from intact.emit import tflite  # optional too

            tflite.save(to_program(network), target)
        case "":
            export_c(
                network,
                target,
                ram=ram,
                flash=flash,
                kernels=kernels or Kernels.PORTABLE,
                name=DEFAULT_NAME if name is None else name,
            )
        case other:
            raise ValueError(
                f"{path}: a network is exported to .onnx, .tflite or a folder without suffix for C,"
                f" not {other}"
            )
