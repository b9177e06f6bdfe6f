"""What is legal at each stage, checked after every pass, before saving and after loading.

After `verify` an executor may run a Program, wherever it came from, without looking at it again:
no read outside of a tensor, no division by zero, no accumulator that overflows, no allocation
beyond `MAX_ELEMENTS` for each value at batch size 1. What depends on the data (the indices of an
embedding) is the executor's to check.
"""

from collections.abc import Iterable

import numpy as np

from intact.errors import VerifyError
from intact.ir.attributes import (
    MAX_RANK,
    NAME_RULE,
    check_attribute,
    check_params,
    check_range,
    is_name,
)
from intact.ir.float_ops import FloatOp, Scan
from intact.ir.graph import Graph, Node, Shape, Value, elements
from intact.ir.int_ops import Dequantize, IntOp, Program, QScan, Quantize
from intact.ir.packing import code_range
from intact.ir.rules import check_op
from intact.ir.scans import body_of
from intact.ir.shapes import output_shape
from intact.ir.windows import scratch_shape
from intact.numerics.arrays import Array
from intact.numerics.formats import Float

MAX_ELEMENTS = 1 << 31


def verify(program: Program, *, integer_only: bool = False) -> None:
    """Checks every rule of a Program.

    With `integer_only`, real numbers may exist only at the borders: a graph input that `Quantize`
    reads, and the output of a `Dequantize` that is a graph output.

    Raises:
        VerifyError: names the node or value and the broken rule.
    """
    read = _verify(program)
    for name in program.constants:
        if name not in read:
            raise VerifyError(f'constant "{name}": nothing reads it; remove it')
    if integer_only:
        for node in program.nodes:
            _check_integer(node, program)


def verify_graph(graph: Graph[FloatOp]) -> None:
    """Checks every rule of a captured graph; constants that nothing reads are legal.

    Raises:
        VerifyError: names the node or value and the broken rule.
    """
    _verify(graph)


def _verify(graph: Program) -> set[str]:
    """Names of all values that a node reads or the graph gives back."""
    known: dict[str, Value] = {}
    written: set[str] = set()
    read: set[str] = set()
    for value in graph.inputs:
        _write(value, known, written, graph, "a graph input")
    for node in graph.nodes:
        for value in node.inputs:
            _read(value, known, written, graph, f'"{node.name}"')
            read.add(value.name)
        _write(node.output, known, written, graph, f'"{node.name}"')
        _check_node(node, graph)
    if not graph.outputs:
        raise VerifyError("the graph has no outputs")
    for value in graph.outputs:
        _read(value, known, written, graph, "a graph output")
        read.add(value.name)
    return read


# --- values ----------------------------------------------------------------------------------


def _write(
    value: Value, known: dict[str, Value], written: set[str], graph: Program, where: str
) -> None:
    if value.name in written or value.name in graph.constants:
        raise VerifyError(f'{where}: "{value.name}" is written twice; names must be unique')
    _check_value(value)
    known[value.name] = value
    written.add(value.name)


def _read(
    value: Value, known: dict[str, Value], written: set[str], graph: Program, where: str
) -> None:
    constant = value.name in graph.constants
    if value.name not in written and not constant:
        raise VerifyError(f'{where}: "{value.name}" is read before it is written')
    first = known.get(value.name)
    if first is None:
        _check_value(value)
        check_constant(value, graph.constants[value.name])
        known[value.name] = value
    elif first is not value and (first != value or first.params != value.params):
        raise VerifyError(f'{where}: "{value.name}" is read with another shape, dtype or params')


def _check_value(value: Value) -> None:
    name = value.name
    if not is_name(name):
        raise VerifyError(f"value {name[:50]!r}: {NAME_RULE}")
    try:
        _check_shape(value.shape)
        if value.params is not None:
            check_params(value.params, value.shape, value.dtype)
    except ValueError as error:
        raise VerifyError(f'value "{name}": {error}') from None


def _check_shape(shape: Shape) -> None:
    if len(shape) > MAX_RANK or 0 in shape:
        raise ValueError(f"shape {shape[:MAX_RANK]} has a 0 or more than {MAX_RANK} axes")
    check_range("number of elements", elements(shape), 1, MAX_ELEMENTS)


def check_constant(value: Value, array: Array) -> None:
    """Dtype and shape are the value's, and the codes are its format's.

    Raises:
        VerifyError: if not.
    """
    name = value.name
    if array.dtype != value.dtype.storage or array.shape != value.shape:
        raise VerifyError(
            f'constant "{name}": {array.dtype} of shape {array.shape},'
            f" expected {value.dtype.storage} of shape {value.shape}"
        )
    limits = code_range(value.dtype)
    if limits is None:
        if np.isnan(array).any():
            raise VerifyError(f'constant "{name}": holds NaN')
        return
    low, high = int(array.min()), int(array.max())
    if low < limits[0] or high > limits[1]:
        raise VerifyError(
            f'constant "{name}": codes {low}..{high} are outside of'
            f" {value.dtype}'s {limits[0]}..{limits[1]}"
        )


# --- nodes -----------------------------------------------------------------------------------


def _check_node(node: Node[IntOp], graph: Program) -> None:
    try:
        if isinstance(node.op, Scan | QScan):
            _check_body(node.op, node, graph)
        else:
            check_attribute("op", node.op)
        shapes = [value.shape for value in node.inputs]
        shape = output_shape(node.op, shapes)
        if shape != node.output.shape:
            raise ValueError(f"gives shape {shape}, declared {node.output.shape}")
        for scratch in scratch_shape(node.op, shapes, shape):
            check_range("number of elements with padding", elements(scratch), 1, MAX_ELEMENTS)
        check_op(node.op, node.inputs, node.output, graph.constants)
    except ValueError as error:
        raise VerifyError(f'"{node.name}" ({type(node.op).__name__}): {error}') from None


def _check_body(op: Scan | QScan, node: Node[IntOp], graph: Program) -> None:
    if len(op.body.inputs) != len(node.inputs):
        raise ValueError(f"{len(node.inputs)} inputs, of the body {len(op.body.inputs)}")
    if op.body.constants:
        raise ValueError("constants of a body belong to the graph")
    if any(isinstance(inner.op, Scan | QScan) for inner in op.body.nodes):
        raise ValueError("a body holds a loop")
    _verify(body_of(op, node.inputs, graph.constants))


def _check_integer(node: Node[IntOp], program: Program) -> None:
    if isinstance(node.op, QScan):
        for inner in node.op.body.nodes:
            _check_integer(inner, Graph((), (), (), {}))
    real = [v.name for v in (*node.inputs, node.output) if isinstance(v.dtype, Float)]
    match node.op:
        case Quantize():
            inside = _outside(real, program.inputs)
        case Dequantize():
            inside = _outside(real, program.outputs) or _read_by(node, program)
        case _:
            inside = real
    if inside:
        raise VerifyError(
            f'"{node.name}" ({type(node.op).__name__}): "{inside[0]}" holds real numbers inside'
            " of the program, which must be integer only; quantize this layer"
        )


def _outside(names: Iterable[str], border: Iterable[Value]) -> list[str]:
    allowed = {value.name for value in border}
    return [name for name in names if name not in allowed]


def _read_by(node: Node[IntOp], program: Program) -> list[str]:
    """The node's own name, if another node reads its real numbers or it reads a constant."""
    constant = any(value.name in program.constants for value in node.inputs)
    reader = any(value.name == node.name for other in program.nodes for value in other.inputs)
    return [node.name] if constant or reader else []
