"""CAST, ADD and GATHER of a table: how a file spells a function that TFLite has no operator for."""

import numpy as np

from intact.capture.tflite.builder import Builder, Index
from intact.capture.tflite.file import Operator
from intact.capture.tflite.scales import integer
from intact.errors import FormatError, UnsupportedOpError
from intact.ir import float_ops as ops
from intact.ir import int_ops
from intact.lower.tables import real_function
from intact.numerics.arrays import IntArray
from intact.numerics.qtensor import QuantParams
from intact.numerics.tables import lookup_table

_FUNCTIONS: tuple[ops.Activation, ...] = (
    ops.Clamp(None, None),
    ops.Relu(),
    ops.Silu(),
    ops.Gelu(),
    ops.HardSigmoid(),
    ops.HardSwish(),
    ops.Sigmoid(),
    ops.Tanh(),
)


def look_up(net: Builder, operator: Operator) -> bool:
    """Follows the steps of a table; False if the operator is none of them."""
    match operator.code:
        case "CAST":
            return _cast(net, operator)
        case "ADD":
            return _add(net, operator)
        case "GATHER":
            return _gather(net, operator)
        case _:
            return False


def _cast(net: Builder, operator: Operator) -> bool:
    """Codes as integers."""
    source, target = net.input(operator, 0), operator.outputs[0]
    if net.tensor(source).type not in ("INT8", "UINT8") or net.tensor(target).type != "INT32":
        return False
    net.know_index(target, Index(net.codes(operator, 0), net.params(source), 0))
    return True


def _add(net: Builder, operator: Operator) -> bool:
    """Integers plus a constant."""
    for position in (0, 1):
        index = net.index(operator, position)
        if index is not None:
            offset = net.integers(operator, 1 - position)
            if len(offset) != 1:
                raise FormatError(f"{net.title(operator)} adds {len(offset)} numbers to an index")
            shifted = Index(index.codes, index.params, index.offset + offset[0])
            net.know_index(operator.outputs[0], shifted)
            return True
    return False


def _gather(net: Builder, operator: Operator) -> bool:
    """The table's entry for each code."""
    index = net.index(operator, 1) if net.has_input(operator, 1) else None
    if index is None:
        return False
    table, output = net.constant_array(operator, 0), net.params(operator.outputs[0])
    format = integer(index.params)
    low, high = format.qmin + index.offset, format.qmax + index.offset
    if table.ndim != 1 or not 0 <= low <= high < table.size:
        raise FormatError(f"{net.title(operator)} reads outside of its table")
    entries = table[low : high + 1]
    function = _function(entries, index.params, output)
    if function is None:
        raise UnsupportedOpError(
            f"{net.title(operator)} looks up a function that intact does not know"
        )
    net.emit(operator, int_ops.Lookup(entries, function), [index.codes])
    return True


def _function(table: IntArray, source: QuantParams, output: QuantParams) -> ops.Activation | None:
    """The function whose nearest codes are the table's, but for one."""
    for function in _FUNCTIONS:
        nearest = lookup_table(real_function(function), source, output)
        if np.abs(nearest.astype(np.int64) - table).max() <= 1:
            return function
    return None
