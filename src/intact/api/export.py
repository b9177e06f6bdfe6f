"""export: a quantized network as a file that others run."""

from pathlib import Path

from intact.api.network import QuantizedNetwork, to_program
from intact.ir.int_ops import Program
from intact.model import QuantizedModel


def export(network: QuantizedNetwork | QuantizedModel | Program, path: str | Path) -> None:
    """Writes the network in the format of the file's suffix, whole or not at all.

    `.onnx`: QDQ form, which any ONNX runtime executes, with integers that may differ from the
    reference's by one here and there; needs onnx.

    Raises:
        ValueError: for any other suffix; TFLite files and C sources cannot be written yet.
        UnsupportedOpError: if the format cannot express a part of the network.
        OSError: if the file cannot be written.
    """
    target = Path(path)
    if target.suffix == ".onnx":
        from intact.emit import onnx  # onnx is optional

        onnx.save(to_program(network), target)
    elif target.suffix == ".tflite" or target.name.endswith("_c"):
        kind = "TFLite files" if target.suffix else "C sources"
        raise ValueError(f"{path}: this version does not write {kind}; it exports to .onnx")
    else:
        raise ValueError(f"{path}: a network is exported to .onnx, not {target.suffix or 'that'}")
