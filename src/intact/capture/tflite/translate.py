"""The one table that knows the operators of TFLite."""

from collections.abc import Callable, Mapping

from intact.capture.tflite import (
    activations,
    arithmetic,
    linear,
    movement,
    pooling,
    resizing,
    selection,
)
from intact.capture.tflite.builder import Builder
from intact.capture.tflite.file import Operator
from intact.capture.tflite.fold import fold
from intact.capture.tflite.tables import look_up
from intact.errors import FormatError, UnsupportedOpError

_RULES: Mapping[str, Callable[[Builder, Operator], None]] = {
    "ADD": arithmetic.add,
    "AVERAGE_POOL_2D": pooling.pool,
    "BATCH_MATMUL": linear.batch_matmul,
    "BROADCAST_TO": movement.broadcast_to,
    "CONCATENATION": movement.concatenation,
    "CONV_2D": linear.conv,
    "DEPTH_TO_SPACE": movement.depth_to_space,
    "DEPTHWISE_CONV_2D": linear.depthwise,
    "DEQUANTIZE": arithmetic.dequantize,
    "EXPAND_DIMS": movement.expand_dims,
    "FULLY_CONNECTED": linear.fully_connected,
    "GATHER": selection.gather,
    "GELU": activations.gelu,
    "HARD_SWISH": activations.hard_swish,
    "LEAKY_RELU": activations.leaky_relu,
    "LOGISTIC": activations.logistic,
    "MAX_POOL_2D": pooling.pool,
    "MEAN": pooling.mean,
    "MIRROR_PAD": movement.mirror_pad,
    "MUL": arithmetic.mul,
    "PACK": movement.pack,
    "PAD": movement.pad,
    "PADV2": movement.pad,
    "PRELU": activations.prelu,
    "QUANTIZE": arithmetic.quantize,
    "REDUCE_MAX": pooling.largest,
    "RELU": activations.clamp,
    "RELU6": activations.clamp,
    "RELU_0_TO_1": activations.clamp,
    "RELU_N1_TO_1": activations.clamp,
    "RESHAPE": movement.reshape,
    "RESIZE_BILINEAR": resizing.bilinear,
    "RESIZE_NEAREST_NEIGHBOR": resizing.nearest,
    "SLICE": selection.slice_,
    "SOFTMAX": pooling.softmax,
    "SPACE_TO_DEPTH": movement.space_to_depth,
    "SPLIT": selection.split,
    "SPLIT_V": selection.split,
    "SQUEEZE": movement.squeeze,
    "STRIDED_SLICE": selection.strided_slice,
    "SUB": arithmetic.sub,
    "TANH": activations.tanh,
    "TRANSPOSE": movement.transpose,
    "TRANSPOSE_CONV": linear.transpose_conv,
    "UNPACK": selection.unpack,
}


def translate(net: Builder, operator: Operator) -> None:
    """Appends what an operator computes.

    Raises:
        FormatError: if it is malformed.
        UnsupportedOpError: if intact has no integers for it.
    """
    if not operator.outputs:
        raise FormatError(f"{operator.code} has no output")
    try:
        _append(net, operator)
    except ValueError as error:  # of scales so far apart that no multiplier is between them
        raise UnsupportedOpError(f"{net.title(operator)}: {error}") from None


def _append(net: Builder, operator: Operator) -> None:
    if fold(net, operator) or look_up(net, operator):
        return
    rule = _RULES.get(operator.code)
    if rule is None:
        raise UnsupportedOpError(
            f"{net.title(operator)}: intact has no integers for this operator. Convert the network"
            " without it, and compute it from the network's outputs"
        )
    rule(net, operator)
