"""Functions of one code: TFLite's kernels where their tables are ours, GATHER everywhere else."""

import math

import numpy as np

from intact.emit.tflite.ledger import Ledger
from intact.emit.tflite.schema import BuiltinOperator, Options, TensorType
from intact.emit.tflite.values import activation_params, no_scale, quantization, sizes, tensor_type
from intact.ir import float_ops as ops
from intact.ir import int_ops
from intact.ir.graph import Node
from intact.ir.int_ops import IntOp
from intact.numerics.arrays import IntArray
from intact.numerics.fixedpoint import quantize_multiplier
from intact.numerics.formats import Int
from intact.numerics.qtensor import QuantParams, scalar_scale
from intact.numerics.tables import (
    exp_table,
    float32_table,
    hard_swish_table,
    interpolate,
    logistic32,
    logistic_table,
    reciprocal_table,
    slopes_table,
    tanh_table,
)

_SMALLEST = 2.0**-27  # scale whose multiplier to Q4.27 has no right shift


def emit_lookup(ledger: Ledger, node: Node[IntOp], op: int_ops.Lookup) -> None:
    """LOGISTIC, TANH, HARD_SWISH or LEAKY_RELU of int8 where its table is ours; else GATHER."""
    x, y = node.inputs[0], node.output
    kernel = None
    if x.params is not None and y.params is not None and x.dtype == y.dtype == Int(8):
        kernel = _kernel(op.function, x.params, y.params)
    if kernel is None or not np.array_equal(kernel[2], op.table):
        _gather(ledger, node, op.table)
        return
    code, options, _ = kernel
    ledger.emit(code, [ledger.read(x)], ledger.write(y), options)


def _kernel(
    function: ops.Activation, source: QuantParams, output: QuantParams
) -> tuple[int, Options | None, IntArray] | None:
    """(operator, options, table) of the reference kernel that computes a function, if any does.

    TFLite Micro computes LOGISTIC and TANH in fixed point, LiteRT in float32.
    """
    match function:
        case ops.Sigmoid() if _SMALLEST < scalar_scale(source) < 8:
            micro, litert = logistic_table(source), float32_table(logistic32, source, output)
            agree = np.array_equal(micro, litert)
            return (BuiltinOperator.LOGISTIC, None, micro) if agree else None
        case ops.Tanh() if _SMALLEST < scalar_scale(source) < 8:
            micro, litert = tanh_table(source), float32_table(np.tanh, source, output)
            agree = np.array_equal(micro, litert)
            return (BuiltinOperator.TANH, None, micro) if agree else None
        case ops.HardSwish() if scalar_scale(source) < 128 * scalar_scale(output):
            table = hard_swish_table(source, output)
            return BuiltinOperator.HARD_SWISH, Options("HardSwishOptions"), table
        case ops.LeakyRelu(slope) if slope >= 0:
            options = Options("LeakyReluOptions", {"Alpha": slope})
            return BuiltinOperator.LEAKY_RELU, options, _leaky_relu(slope, source, output)
        case _:
            return None


def _leaky_relu(slope: float, source: QuantParams, output: QuantParams) -> IntArray:
    """LEAKY_RELU's table: as ours, but with multipliers computed in float32."""
    s_x, s_y = np.float32(scalar_scale(source)), np.float32(scalar_scale(output))
    positive, negative = (
        quantize_multiplier(float(real)) for real in (s_x / s_y, s_x * np.float32(slope) / s_y)
    )
    return slopes_table(source, output, positive, negative)


def emit_interpolated(ledger: Ledger, node: Node[IntOp], op: int_ops.InterpolatedLookup) -> None:
    """A GATHER from the codes of all inputs: TFLite's int16 kernels interpolate other tables."""
    format = node.output.dtype
    assert isinstance(format, Int)
    bits = node.inputs[0].dtype.bits
    codes = interpolate(op.table, np.arange(1 << bits), bits - 9)
    _gather(ledger, node, np.clip(codes, format.qmin, format.qmax))


def _gather(ledger: Ledger, node: Node[IntOp], table: IntArray) -> None:
    """table[x - low] by CAST, ADD and GATHER: exact, as it only moves codes."""
    x, y = node.inputs[0], node.output
    shape = sizes(x)
    wide = ledger.writer.tensor(f"{node.name}/int32", shape, TensorType.INT32)
    options = Options("CastOptions", {"OutDataType": TensorType.INT32})
    ledger.emit(BuiltinOperator.CAST, [ledger.read(x)], wide, options)
    index = ledger.writer.tensor(f"{node.name}/index", shape, TensorType.INT32)
    lowest = ledger.integers([table.size // 2], f"{node.name}/offset")
    ledger.emit(BuiltinOperator.ADD, [wide, lowest], index, Options("AddOptions"))
    stored = np.asarray(table).astype(y.dtype.storage)
    entries = ledger.constant(
        f"{node.name}/table", stored, tensor_type(node.name, y.dtype), quantization(y.params)
    )
    ledger.emit(BuiltinOperator.GATHER, [entries, index], ledger.write(y), Options("GatherOptions"))


# --- softmax -----------------------------------------------------------------------------------


def emit_softmax(
    ledger: Ledger, node: Node[IntOp], op: int_ops.QSoftmax | int_ops.QSoftmax16
) -> None:
    """SOFTMAX."""
    scale = float(activation_params(node, node.inputs[0])[0])
    if not (_is_softmax8(op, scale) if isinstance(op, int_ops.QSoftmax) else _is_16(op, scale)):
        raise no_scale(node)
    options = Options("SoftmaxOptions", {"Beta": 1.0})
    x = ledger.read(node.inputs[0])
    ledger.emit(BuiltinOperator.SOFTMAX, [x], ledger.write(node.output), options)


def _is_softmax8(op: int_ops.QSoftmax, scale: float) -> bool:
    """Whether TFLite makes the same integers (PreprocessSoftmaxScaling, CalculateInputRadius)."""
    real = scale * 2.0**26
    if not 1 < real < 2.0**30 - 1:
        return False
    multiplier, shift = quantize_multiplier(real)
    radius = math.floor(31 * 2.0**26 / 2.0 ** int(shift))
    return (op.multiplier, op.shift, op.diff_min) == (int(multiplier), int(shift), -radius)


def _is_16(op: int_ops.QSoftmax16, scale: float) -> bool:
    multiplier, shift = quantize_multiplier(scale / (10.0 / 65535.0))
    return (
        (op.multiplier, op.shift) == (int(multiplier), int(shift))
        and np.array_equal(op.exp_table, exp_table())
        and np.array_equal(op.reciprocal_table, reciprocal_table())
    )
