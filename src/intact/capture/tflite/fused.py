"""Activation functions that are part of another operator."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from intact.capture.tflite.builder import Builder
from intact.capture.tflite.file import Operator
from intact.capture.tflite.scales import BOUNDS, Bounds, clamp, integer
from intact.errors import UnsupportedOpError
from intact.ir import int_ops
from intact.ir.graph import Value
from intact.ir.int_ops import IntOp
from intact.lower.requant import identity_requant
from intact.numerics.qtensor import scalar_zero_point


def bounds(net: Builder, operator: Operator, activation: int) -> Bounds:
    """The clamp that a fused activation is."""
    if activation not in BOUNDS:
        raise UnsupportedOpError(
            f"{net.title(operator)} has fused activation {activation}, which has no integer form"
        )
    return BOUNDS[activation]


def emit_clamped(
    net: Builder, operator: Operator, op: IntOp, inputs: Sequence[Value], activation: int
) -> None:
    """Emits an operation that has no clamp of its own, and the clamp where it leaves codes out."""
    output = net.params(operator.outputs[0])
    low, high = clamp(output, *bounds(net, operator, activation))
    if (low, high) == (integer(output).qmin, integer(output).qmax):
        net.emit(operator, op, inputs)
        return
    plain = net.between(operator, op, inputs, output, "unclamped")
    kept = replace(identity_requant(output), qmin=np.array([low]), qmax=np.array([high]))
    net.emit(operator, int_ops.Requantize(scalar_zero_point(output), kept), [plain])
