"""PReLU."""

import numpy as np

from intact.emit.tflite.clamps import fused_activation
from intact.emit.tflite.elementwise import multipliers, product_scales
from intact.emit.tflite.ledger import Ledger
from intact.emit.tflite.rounding import requant_of, same_codes
from intact.emit.tflite.schema import (
    ActivationFunctionType,
    BuiltinOperator,
    Options,
    Quantization,
    TensorType,
)
from intact.emit.tflite.values import (
    activation_params,
    code_range,
    no_scale,
    sizes,
    tensor_type,
    unsupported,
)
from intact.ir import int_ops
from intact.ir.graph import Node
from intact.ir.int_ops import IntOp
from intact.numerics.arrays import IntArray
from intact.numerics.fixedpoint import Requant

_SLOPE_STEPS = 16  # units in the last place by which the slopes' scale may be changed


def emit_prelu(ledger: Ledger, node: Node[IntOp], op: int_ops.QPrelu) -> None:
    """PRELU of int8; of int16, which TFLite has not, its two halves and their sum."""
    x = node.inputs[0]
    for requant in (op.positive, op.negative):
        if fused_activation(node.output, requant) != ActivationFunctionType.NONE:
            raise unsupported(node, "TFLite's PRELU clamps nothing", "Export to .onnx or C.")
    if x.dtype.bits > 8:
        _emit_halves(ledger, node, op)
        return
    meaning = Quantization(np.asarray([_slope_scale(node, op)]), np.asarray([op.slope_zero_point]))
    inputs = [ledger.read(x), _slopes(ledger, node, meaning)]
    ledger.emit(BuiltinOperator.PRELU, inputs, ledger.write(node.output))


def _slopes(ledger: Ledger, node: Node[IntOp], meaning: Quantization) -> int:
    """The constant of slopes, one for each channel of the last axis."""
    x, slope = node.inputs
    codes = ledger.program.constants[slope.name]
    shape = (*(1,) * (len(x.shape) - 2), codes.size)
    kind = tensor_type(slope.name, slope.dtype)
    return ledger.constant(slope.name, codes.reshape(shape), kind, meaning)


def _slope_scale(node: Node[IntOp], op: int_ops.QPrelu) -> np.float32:
    """A scale of the slopes of which LiteRT, in float32, and TensorFlow Lite Micro have ours."""
    x, slope = node.inputs
    s_x, s_w, s_y = (activation_params(node, value)[0] for value in (x, slope, node.output))
    low, high = (code - op.input_zero_point for code in code_range(x))
    ends = [v * (w - op.slope_zero_point) for v in (min(low, 0), 0) for w in code_range(slope)]

    def ratio(real: float) -> bool:
        theirs = requant_of(real, op.positive)
        return theirs is not None and same_codes(op.positive, theirs, 0, max(high, 0))

    def product(theirs: Requant | None) -> bool:
        return theirs is not None and same_codes(op.negative, theirs, min(ends), max(ends))

    if ratio(float(s_x / s_y)) and ratio(float(s_x) / float(s_y)):
        for step in sorted(range(-_SLOPE_STEPS, _SLOPE_STEPS + 1), key=abs):
            scale = np.float32(s_w + step * np.spacing(s_w))
            if all(map(product, multipliers(op.negative, s_x, scale, s_y))):
                return scale
    raise no_scale(node)


# --- 16 bits -----------------------------------------------------------------------------------


def _emit_halves(ledger: Ledger, node: Node[IntOp], op: int_ops.QPrelu) -> None:
    """MAXIMUM(x, 0) * 1 + MINIMUM(x, 0) * slope: one of the two is code 0, and the sum exact."""
    x, slope = node.inputs
    one = np.float32(1)
    s_w, _ = activation_params(node, slope)
    low, high = code_range(x)
    ends = [low * w for w in code_range(slope)]
    halves = [
        _half(ledger, node, BuiltinOperator.MAXIMUM, op.positive, one, (0, high)),
        _half(ledger, node, BuiltinOperator.MINIMUM, op.negative, s_w, (min(ends), max(ends))),
    ]
    options = Options("AddOptions", {"PotScaleInt16": False})
    ledger.emit(BuiltinOperator.ADD, halves, ledger.write(node.output), options)


def _half(
    ledger: Ledger,
    node: Node[IntOp],
    limit: int,
    requant: Requant,
    factor_scale: np.float32,
    products: tuple[int, int],
) -> int:
    """MUL of the part of x above or below 0 by 1 or by the slopes."""
    x = node.inputs[0]
    s_x, s_y = (activation_params(node, value)[0] for value in (x, node.output))
    found = product_scales(requant, (s_x, factor_scale, s_y), products)
    if found is None:
        raise no_scale(node)
    source, factor = (Quantization(np.asarray([s]), np.zeros(1, np.int64)) for s in found)
    zero = ledger.constant(f"{node.name}/zero", np.zeros((), np.int16), TensorType.INT16, source)
    part = ledger.writer.tensor(f"{node.name}/part", sizes(x), TensorType.INT16, source)
    ledger.emit(limit, [ledger.read(x), zero], part, Options("MaximumMinimumOptions"))
    if limit == BuiltinOperator.MAXIMUM:
        unit: IntArray = np.ones((), np.int16)
        slopes = ledger.constant(f"{node.name}/one", unit, TensorType.INT16, factor)
    else:
        slopes = _slopes(ledger, node, factor)
    half = ledger.temporary(f"{node.name}/half", sizes(x), node.output)
    return ledger.emit(BuiltinOperator.MUL, [part, slopes], half, Options("MulOptions"))
