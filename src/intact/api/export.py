"""export: a quantized network as a file that others run."""

from pathlib import Path

from intact.api.network import QuantizedNetwork, to_program
from intact.ir.int_ops import Program
from intact.model import QuantizedModel


def export(network: QuantizedNetwork | QuantizedModel | Program, path: str | Path) -> None:
    """Writes the network in the format of the file's suffix, whole or not at all.

    `.onnx`: QDQ form, which any ONNX runtime executes, with integers that may differ from the
    reference's by one here and there; needs onnx.

    `.tflite`: codes in, codes out, channels last; LiteRT's reference kernels and TensorFlow Lite
    Micro compute the reference's integers; needs tflite and flatbuffers.

    Raises:
        ValueError: for any other suffix; C sources cannot be written yet.
        UnsupportedOpError: if the format cannot express a part of the network.
        OSError: if the file cannot be written.
    """
    target = Path(path)
    if target.suffix == ".onnx":
        from intact.emit import onnx  # onnx is optional

        onnx.save(to_program(network), target)
    elif target.suffix == ".tflite":
        from intact.emit import tflite  # optional too

        tflite.save(to_program(network), target)
    elif target.name.endswith("_c"):
        raise ValueError(f"{path}: this version does not write C sources; choose .onnx or .tflite")
    else:
        kind = target.suffix or "that"
        raise ValueError(f"{path}: a network is exported to .onnx or .tflite, not {kind}")
