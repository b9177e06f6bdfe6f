"""An ONNX file on disk to a checked model in memory."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import onnx
from onnx import checker, external_data_helper, inliner

from intact.capture.onnx.node import first_line
from intact.errors import FormatError, UnsupportedOpError

OLDEST_OPSET = 7
NEWEST_OPSET = 25
_MOST_NODES = 100_000  # after inlining


def read_model(path: Path) -> onnx.ModelProto:
    """The model, checked, with its external data and with model-local functions inlined.

    External data must lie in the file's own folder or below it.

    Raises:
        FormatError: if the file is not ONNX, is truncated or breaks a rule of ONNX.
        UnsupportedOpError: for an operator set outside 7..25.
        FileNotFoundError: if there is no such file.
    """
    data = path.read_bytes()
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's DecodeError, which has no type information
        raise FormatError(f"{path} is not an ONNX file, or is truncated") from error
    if not model.HasField("graph") or not model.opset_import:
        raise FormatError(f"{path} is not an ONNX file: it holds no graph")
    try:
        external_data_helper.load_external_data_for_model(model, str(path.parent))
        _check(model, path)
        if model.functions:
            _check_inlined_size(model)
            model = inliner.inline_local_functions(model)
    except Exception as error:  # the checker's C++ raises more kinds than it documents
        raise FormatError(f"{path} is not a valid ONNX file: {first_line(error)}") from error
    for name in _names(model.graph):
        # protobuf hands out bytes where the text is broken
        if not isinstance(name, str) or not name.isprintable():
            raise FormatError(f"{path} holds a name that is no printable text: {name[:40]!r}")
    return model


def _names(graph: onnx.GraphProto) -> Iterator[str | bytes]:
    """Every name that may end up in an error message or a graph."""
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)
    for value in (*graph.input, *graph.output):
        yield value.name
        yield from (dim.dim_param for dim in value.type.tensor_type.shape.dim)
    yield from (tensor.name for tensor in graph.initializer)


def _check(model: onnx.ModelProto, path: Path) -> None:
    for value in model.graph.output:  # the checker asks for a rank that some exporters leave out
        if value.type.HasField("tensor_type"):
            value.type.tensor_type.shape.SetInParent()
    small = model.ByteSize() < checker.MAXIMUM_PROTOBUF
    checker.check_model(model if small else str(path))


def _check_inlined_size(model: onnx.ModelProto) -> None:
    """Raises ValueError if functions that call functions would become too many nodes.

    The checker has refused functions that call themselves.
    """
    bodies = {(f.domain, f.name): f.node for f in model.functions}
    sizes: dict[tuple[str, str], int] = {}

    def size(nodes: Iterable[onnx.NodeProto]) -> int:
        total = 0
        for node in nodes:
            key = node.domain, node.op_type
            if key in bodies and key not in sizes:
                sizes[key] = size(bodies[key])
            total += sizes.get(key, 1) + sum(size(a.g.node) for a in node.attribute)
        return total

    if size(model.graph.node) > _MOST_NODES:
        raise ValueError(f"its functions hold more than {_MOST_NODES} nodes")


def opset_version(model: onnx.ModelProto, path: Path) -> int:
    """Version of ONNX's own operators.

    Raises:
        UnsupportedOpError: if it is too old or too new.
    """
    versions = [o.version for o in model.opset_import if o.domain in ("", "ai.onnx")]
    version = versions[0] if versions else 0
    newest = min(NEWEST_OPSET, onnx.defs.onnx_opset_version())
    if not OLDEST_OPSET <= version <= newest:
        raise UnsupportedOpError(
            f"{path} uses ONNX opset {version}; intact reads {OLDEST_OPSET} to {newest}."
            " Convert it with onnx.version_converter.convert_version, or export it again"
        )
    return version
