"""Programs as text: a line for each node, for golden tests and for reading; bodies are indented.

Arrays are summarised as their range and a digest of their bytes, so that a text stays short but
shows any change. Constants are described where they are read first.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import cast

import numpy as np

from intact.ir.float_ops import Scan
from intact.ir.graph import Node, Value
from intact.ir.int_ops import IntOp, Program, QScan, Quantize
from intact.ir.packing import pack
from intact.ir.scans import body_of
from intact.ir.schema import later_fields
from intact.ir.size import array_format
from intact.numerics.arrays import Array
from intact.numerics.formats import Format, Int
from intact.numerics.qtensor import QuantParams

DIGEST = 8  # hexadecimal digits
WHOLE = 4  # entries of an array that is printed as it is


def to_text(program: Program) -> str:
    """Inputs, nodes and outputs, a line each; the text ends with a newline."""
    lines = [f"input {_declared(value)}{_meaning(value)}" for value in program.inputs]
    described: set[str] = set()
    for node in program.nodes:
        lines.append(_node(node, program, described))
        if isinstance(node.op, Scan | QScan):
            lines += _body(body_of(node.op, node.inputs, {}))
    lines += [f"output {_read(value, program, described)}" for value in program.outputs]
    return "".join(f"{line}\n" for line in lines)


def _body(body: Program) -> Iterator[str]:
    """What a loop runs in each step; its constants have been described outside."""
    yield from (f"  given {_declared(value)}{_meaning(value)}" for value in body.inputs)
    yield from (f"  {_node(node, body, set())}" for node in body.nodes)
    yield f"  next {', '.join(f'%{value.name}' for value in body.outputs)}"


def _node(node: Node[IntOp], program: Program, described: set[str]) -> str:
    inputs = ", ".join(_read(value, program, described) for value in node.inputs)
    attributes = "".join(f" {text}" for text in _attributes(node.op))
    name = type(node.op).__name__
    # Quantize has printed its own params, which are the output's.
    meaning = "" if isinstance(node.op, Quantize) else _meaning(node.output)
    return f"{_declared(node.output)} = {name}({inputs}){attributes}{meaning}"


def _declared(value: Value) -> str:
    return f"%{value.name}: {_type(value)}"


def _type(value: Value) -> str:
    return f"{_format(value.dtype)}{list(value.shape)}"


def _format(format: Format) -> str:
    return f"{format}-narrow" if isinstance(format, Int) and format.narrow else str(format)


def _meaning(value: Value) -> str:
    """Scale and zero point of the codes."""
    return "" if value.params is None else f" {_params(value.params)}"


def _read(value: Value, program: Program, described: set[str]) -> str:
    array = program.constants.get(value.name)
    if array is None:
        return f"%{value.name}"
    if value.name in described:
        return value.name
    described.add(value.name)
    return f"{value.name}: {_type(value)} {_summary(array, value.dtype)}"


def _attributes(op: object) -> Iterator[str]:
    assert is_dataclass(op)
    later = later_fields(cast(type, type(op)))
    for field in fields(op):
        if field.name == "body":
            continue  # it follows, line by line
        attribute = getattr(op, field.name)
        if field.name in later and attribute == later[field.name]:
            continue
        if isinstance(attribute, QuantParams):
            yield _params(attribute)  # it names what it holds
        elif attribute is not None:
            yield f"{field.name}={_attribute(attribute)}"


def _attribute(attribute: object) -> str:
    match attribute:
        case np.ndarray():
            return _summary(attribute, array_format(attribute))
        case Enum():
            return str(attribute.value)
        case Int():
            return _format(attribute)
        case float():
            return repr(attribute)
        case tuple() if len(attribute) > WHOLE and isinstance(attribute[0], int):
            return _attribute(np.asarray(attribute, np.int64))
        case bool() | int() | tuple():
            return str(attribute)
        case _:
            inner = " ".join(_attributes(attribute))
            return f"{type(attribute).__name__}({inner})"


def _params(params: QuantParams) -> str:
    scale = f"scale={_summary(params.scale, array_format(params.scale))}"
    if params.zero_point is None:
        return scale
    return f"{scale} zero_point={_summary(params.offset, array_format(params.offset))}"


def _summary(array: Array, dtype: Format) -> str:
    """The entries of a small array; otherwise lowest..highest and a digest."""
    # NumPy prints a float32 with the fewest digits that tell it from its neighbours.
    numbers = array if array.dtype.kind in "iu" else array.astype(np.float32)
    if array.size <= WHOLE:
        entries = ", ".join(map(str, numbers.flat))
        return entries if array.ndim == 0 or array.size == 1 else f"[{entries}]"
    digest = hashlib.sha256(pack(array, dtype).data).hexdigest()[:DIGEST]
    return f"{{{numbers.min()}..{numbers.max()} #{digest}}}"
