"""Bounds of codes: fused activation functions, or operators behind."""

from collections.abc import Sequence

from intact.emit.tflite.ledger import Ledger
from intact.emit.tflite.schema import ActivationFunctionType, BuiltinOperator, Options
from intact.emit.tflite.values import BATCH, code_range, quantization, sizes, tensor_type
from intact.ir import int_ops
from intact.ir.graph import Node, Shape, Value, with_batch
from intact.ir.int_ops import IntOp, Program
from intact.numerics.fixedpoint import Requant
from intact.numerics.qtensor import bound_code

_CLAMPS: dict[int, tuple[float | None, float | None]] = {
    ActivationFunctionType.NONE: (None, None),
    ActivationFunctionType.RELU: (0.0, None),
    ActivationFunctionType.RELU6: (0.0, 6.0),
    ActivationFunctionType.RELU_N1_TO_1: (-1.0, 1.0),
}


_Clamped = (
    int_ops.QConv2d | int_ops.QConvTranspose2d | int_ops.QLinear | int_ops.QMatMul
    | int_ops.QAdd | int_ops.QSub | int_ops.QMul | int_ops.Requantize
)  # fmt: skip


def bounded_by_channel(program: Program) -> tuple[str, ...]:
    """Layers whose codes have bounds of their channel.

    No fused activation has such bounds, so that MAXIMUM or MINIMUM stand behind each layer.
    """
    return tuple(
        node.name
        for node in program.nodes
        if isinstance(node.op, _Clamped) and node.op.requant.qmin.size > 1
    )


def emit_clamped(
    ledger: Ledger,
    code: int,
    inputs: Sequence[int],
    node: Node[IntOp],
    clamp: Requant,
    options: Options,
    shape: Shape | None = None,
) -> None:
    """Appends an operator whose results are clamped as `clamp` does.

    The clamp is the operator's fused activation if that has the same bounds, and MAXIMUM and
    MINIMUM behind it otherwise. `shape` is that in which the operator writes.
    """
    shape = node.output.shape if shape is None else shape
    function = fused_activation(node.output, clamp)
    if function is not None:
        output = ledger.write(node.output, shape)
        ledger.emit(code, inputs, output, options.with_activation(function))
        return
    plain = options.with_activation(ActivationFunctionType.NONE)
    raw = ledger.temporary(f"{node.name}/unclamped", with_batch(shape, BATCH), node.output)
    _bound(ledger, ledger.emit(code, inputs, raw, plain), node, clamp, shape)


def emit_bounded(
    ledger: Ledger,
    code: int,
    inputs: Sequence[int],
    node: Node[IntOp],
    clamp: Requant,
    options: Options,
) -> None:
    """As `emit_clamped`, for operators without a fused activation."""
    if fused_activation(node.output, clamp) == ActivationFunctionType.NONE:
        ledger.emit(code, inputs, ledger.write(node.output), options)
        return
    raw = ledger.temporary(f"{node.name}/unclamped", sizes(node.output), node.output)
    _bound(ledger, ledger.emit(code, inputs, raw, options), node, clamp, node.output.shape)


def _bound(ledger: Ledger, raw: int, node: Node[IntOp], clamp: Requant, shape: Shape) -> None:
    """Clamps a tensor's codes into the node's output by MAXIMUM and MINIMUM."""
    low, high = code_range(node.output)
    steps = [
        (BuiltinOperator.MAXIMUM, clamp.qmin, "qmin", bool((clamp.qmin > low).any())),
        (BuiltinOperator.MINIMUM, clamp.qmax, "qmax", bool((clamp.qmax < high).any())),
    ]
    needed = [step for step in steps if step[3]] or steps[:1]
    kind = tensor_type(node.name, node.output.dtype)
    for step, (code, limits, name, _) in enumerate(needed):
        array = limits.astype(node.output.dtype.storage)
        limit = ledger.constant(
            f"{node.name}/{name}", array, kind, quantization(node.output.params)
        )
        last = step == len(needed) - 1
        output = (
            ledger.write(node.output, shape)
            if last
            else ledger.temporary(
                f"{node.name}/{name}_bound", with_batch(shape, BATCH), node.output
            )
        )
        raw = ledger.emit(code, [raw, limit], output, Options("MaximumMinimumOptions"))


def fused_activation(value: Value, clamp: Requant) -> int | None:
    """The fused activation function with exactly these bounds (CalculateActivationRange)."""
    low, high = code_range(value)
    if value.params is None:
        exact = (clamp.qmin == low).all() and (clamp.qmax == high).all()
        return int(ActivationFunctionType.NONE) if exact else None
    for function, (lower, upper) in _CLAMPS.items():
        qmin = low if lower is None else max(low, bound_code(lower, value.params))
        qmax = high if upper is None else min(high, bound_code(upper, value.params))
        if (clamp.qmin == qmin).all() and (clamp.qmax == qmax).all():
            return function
    return None
