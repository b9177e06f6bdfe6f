"""Operators that move codes."""

from collections.abc import Sequence

from intact.capture.tflite.builder import Builder
from intact.capture.tflite.file import Operator
from intact.capture.tflite.shapes import reshaped
from intact.ir import float_ops as ops


def reshape(net: Builder, operator: Operator) -> None:
    """RESHAPE: the shape is input 1, or an attribute in old files."""
    if net.has_input(operator, 1):
        target: Sequence[int] = net.integers(operator, 1)
    else:
        target = net.options(operator, "ReshapeOptions").integers("NewShape")
    _emit_reshape(net, operator, target)


def _emit_reshape(net: Builder, operator: Operator, target: Sequence[int]) -> None:
    x = net.codes(operator, 0)
    net.emit(operator, ops.Reshape(reshaped(net, operator, x.shape, target)), [x])
