"""The one table that knows the operators of TFLite."""

from collections.abc import Callable, Mapping

from intact.capture.tflite import arithmetic, linear, movement, pooling
from intact.capture.tflite.builder import Builder
from intact.capture.tflite.file import Operator
from intact.errors import FormatError, UnsupportedOpError

_RULES: Mapping[str, Callable[[Builder, Operator], None]] = {
    "ADD": arithmetic.add,
    "AVERAGE_POOL_2D": pooling.pool,
    "CONV_2D": linear.conv,
    "DEPTHWISE_CONV_2D": linear.depthwise,
    "DEQUANTIZE": arithmetic.dequantize,
    "FULLY_CONNECTED": linear.fully_connected,
    "MAX_POOL_2D": pooling.pool,
    "MUL": arithmetic.mul,
    "QUANTIZE": arithmetic.quantize,
    "RESHAPE": movement.reshape,
    "SOFTMAX": pooling.softmax,
    "SUB": arithmetic.sub,
}


def translate(net: Builder, operator: Operator) -> None:
    """Appends what an operator computes.

    Raises:
        FormatError: if it is malformed.
        UnsupportedOpError: if intact has no integers for it.
    """
    if not operator.outputs:
        raise FormatError(f"{operator.code} has no output")
    rule = _RULES.get(operator.code)
    if rule is None:
        raise UnsupportedOpError(
            f"{net.title(operator)}: intact has no integers for this operator. Leave it out of the"
            f" network and compute it from its outputs; intact reads {', '.join(sorted(_RULES))}"
        )
    rule(net, operator)
