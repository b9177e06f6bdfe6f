"""Operations on real numbers that are not layers."""

from collections.abc import Sequence

import numpy as np

from intact.emit.tflite.float_layers import pads_of, pair
from intact.emit.tflite.images import image, image_axes, is_image, new_image, on_images
from intact.emit.tflite.ledger import Ledger
from intact.emit.tflite.pooling import emit_adaptive, emit_avg_pool, emit_max_pool
from intact.emit.tflite.schema import BuiltinOperator, Options, TensorType
from intact.emit.tflite.spatial import emit_bilinear, emit_nearest
from intact.emit.tflite.values import sizes, unsupported
from intact.ir import float_ops as ops
from intact.ir import int_ops
from intact.ir.graph import Node, Value
from intact.ir.int_ops import IntOp

# --- images ------------------------------------------------------------------------------------


def emit_float_image(ledger: Ledger, node: Node[IntOp]) -> None:
    """Pooling and resizing: the operators that codes have too."""
    match node.op:
        case ops.MaxPool(kernel, stride, padding, dilation):
            pool = int_ops.QMaxPool2d(pair(kernel), pair(stride), pads_of(padding), pair(dilation))
            emit_max_pool(ledger, on_images(ledger, node, pool), pool)
        case ops.AvgPool(kernel, stride, padding, counted, overhang):
            mean = int_ops.QAvgPool2d(
                pair(kernel), pair(stride), pads_of(padding), counted, pair(overhang, 0), 0
            )
            emit_avg_pool(ledger, on_images(ledger, node, mean), mean)
        case ops.AdaptiveAvgPool(size):
            adaptive = int_ops.QAdaptiveAvgPool2d(pair(size))
            emit_adaptive(ledger, on_images(ledger, node, adaptive), adaptive)
        case ops.ResizeNearest(size):
            nearest = int_ops.QResizeNearest2d(pair(size))
            emit_nearest(ledger, on_images(ledger, node, nearest), nearest)
        case ops.ResizeBilinear(size, corners):
            bilinear = int_ops.QResizeBilinear2d(pair(size), corners)
            emit_bilinear(ledger, on_images(ledger, node, bilinear), bilinear)
        case _:
            raise AssertionError(node.op)


def emit_float_mean(ledger: Ledger, node: Node[IntOp], op: ops.Mean) -> None:
    """MEAN."""
    x = node.inputs[0]
    axes, source = op.axes, x
    if is_image(ledger, x) and len(x.shape) == 4 and op.axes == (2, 3) and not op.keepdims:
        axes, source = (1, 2), image(ledger, x)
    inputs = [ledger.read(source), ledger.integers(axes, f"{node.name}/axes")]
    options = Options("ReducerOptions", {"KeepDims": op.keepdims})
    ledger.emit(BuiltinOperator.MEAN, inputs, ledger.write(node.output), options)


# --- elementwise -------------------------------------------------------------------------------


class Elementwise:
    """Emits operators of one node that all write tensors of its output's shape."""

    def __init__(self, ledger: Ledger, node: Node[IntOp]) -> None:
        """Works on images if an input is stored as one and the others can be."""
        self.ledger, self.node = ledger, node
        rank = len(node.output.shape)
        full = [v for v in node.inputs if len(v.shape) == rank]
        constants = ledger.program.constants
        others = all(v.name in constants for v in node.inputs if len(v.shape) != rank)
        self.images = rank in (3, 4) and others and any(is_image(ledger, v) for v in full)
        self.output = new_image(ledger, node.output) if self.images else node.output

    def read(self, value: Value) -> int:
        """An input in the node's layout."""
        if not self.images:
            return self.ledger.read(value)
        rank = len(self.node.output.shape)
        if value.name not in self.ledger.program.constants:
            return self.ledger.read(image(self.ledger, value))
        array = self.ledger.program.constants[value.name]
        lifted = array.reshape((1,) * (rank - array.ndim) + array.shape)
        lifted = lifted.reshape((*lifted.shape[:2], *(1,) * (4 - rank), *lifted.shape[2:]))
        moved = lifted.transpose(0, 2, 3, 1)
        return self.ledger.constant(value.name, moved, TensorType.FLOAT32)

    def channels(self, array: np.ndarray, name: str) -> int:
        """A constant with one entry for each channel, axis 1 of the Program's values."""
        rank = len(self.node.output.shape)
        tail = () if self.images else (1,) * (rank - 2)
        return self.ledger.constant(name, array.reshape(-1, *tail), TensorType.FLOAT32)

    def number(self, number: float, name: str) -> int:
        """A constant of one number."""
        array = np.asarray(number, np.float32)
        return self.ledger.constant(f"{self.node.name}/{name}", array, TensorType.FLOAT32)

    def step(self, code: int, inputs: Sequence[int], options: Options | None, name: str) -> int:
        """An operator before the last."""
        shape = sizes(self.output)
        target = self.ledger.temporary(f"{self.node.name}/{name}", shape, self.output)
        return self.ledger.emit(code, inputs, target, options)

    def last(self, code: int, inputs: Sequence[int], options: Options | None = None) -> None:
        """The operator that writes the node's value."""
        self.ledger.emit(code, inputs, self.ledger.write(self.output), options)


_BINARY = {
    ops.Add: (BuiltinOperator.ADD, Options("AddOptions")),
    ops.Sub: (BuiltinOperator.SUB, Options("SubOptions")),
    ops.Mul: (BuiltinOperator.MUL, Options("MulOptions")),
}


def emit_float_binary(ledger: Ledger, node: Node[IntOp]) -> None:
    """ADD, SUB, MUL."""
    code, options = _BINARY[type(node.op)]
    make = Elementwise(ledger, node)
    make.last(code, [make.read(value) for value in node.inputs], options)


def emit_float_concat(ledger: Ledger, node: Node[IntOp], op: ops.Concat) -> None:
    """CONCATENATION."""
    make = Elementwise(ledger, node)
    axis = image_axes(len(node.output.shape))[op.axis] if make.images else op.axis
    options = Options("ConcatenationOptions", {"Axis": axis})
    inputs = [make.read(value) for value in node.inputs]
    make.last(BuiltinOperator.CONCATENATION, inputs, options)


def emit_float_activation(ledger: Ledger, node: Node[IntOp], op: ops.Activation) -> None:
    """One operator, or the few that compute the function."""
    make = Elementwise(ledger, node)
    x = make.read(node.inputs[0])
    match op:
        case ops.Relu():
            make.last(BuiltinOperator.RELU, [x])
        case ops.Clamp(low, high):
            _clamp(make, x, low, high)
        case ops.LeakyRelu(slope):
            make.last(
                BuiltinOperator.LEAKY_RELU, [x], Options("LeakyReluOptions", {"Alpha": slope})
            )
        case ops.HardSwish():
            make.last(BuiltinOperator.HARD_SWISH, [x], Options("HardSwishOptions"))
        case ops.HardSigmoid():
            three = make.number(3, "three")
            moved = make.step(BuiltinOperator.ADD, [x, three], Options("AddOptions"), "moved")
            clamped = make.step(BuiltinOperator.RELU6, [moved], None, "clamped")
            sixth = make.number(1 / 6, "sixth")
            make.last(BuiltinOperator.MUL, [clamped, sixth], Options("MulOptions"))
        case ops.Sigmoid():
            make.last(BuiltinOperator.LOGISTIC, [x])
        case ops.Tanh():
            make.last(BuiltinOperator.TANH, [x])
        case ops.Silu():
            gate = make.step(BuiltinOperator.LOGISTIC, [x], None, "gate")
            make.last(BuiltinOperator.MUL, [x, gate], Options("MulOptions"))
        case ops.Gelu(tanh):
            make.last(BuiltinOperator.GELU, [x], Options("GeluOptions", {"Approximate": tanh}))


def _clamp(make: Elementwise, x: int, low: float | None, high: float | None) -> None:
    limits = Options("MaximumMinimumOptions")
    if (low, high) == (0, 6):
        make.last(BuiltinOperator.RELU6, [x])
    elif high is None:
        least = make.number(-np.inf if low is None else low, "low")
        make.last(BuiltinOperator.MAXIMUM, [x, least], limits)
    else:
        if low is not None:
            least = make.number(low, "low")
            x = make.step(BuiltinOperator.MAXIMUM, [x, least], limits, "clamped")
        make.last(BuiltinOperator.MINIMUM, [x, make.number(high, "high")], limits)


def emit_float_prelu(ledger: Ledger, node: Node[IntOp]) -> None:
    """PRELU."""
    x, slope = node.inputs
    make = Elementwise(ledger, Node(node.op, (x,), node.output))
    array = ledger.program.constants[slope.name]
    make.last(BuiltinOperator.PRELU, [make.read(x), make.channels(array, slope.name)])


def emit_float_channel_clamp(ledger: Ledger, node: Node[IntOp]) -> None:
    """MAXIMUM and MINIMUM."""
    x, *bounds = node.inputs
    make = Elementwise(ledger, Node(node.op, (x,), node.output))
    low, high = (make.channels(ledger.program.constants[v.name], v.name) for v in bounds)
    limits = Options("MaximumMinimumOptions")
    raised = make.step(BuiltinOperator.MAXIMUM, [make.read(x), low], limits, "raised")
    make.last(BuiltinOperator.MINIMUM, [raised, high], limits)


def emit_float_softmax(ledger: Ledger, node: Node[IntOp], op: ops.Softmax) -> None:
    """SOFTMAX, between TRANSPOSE unless the axis is the last in memory."""
    x, options = node.inputs[0], Options("SoftmaxOptions", {"Beta": 1.0})
    rank = len(x.shape)
    if op.axis == rank - 1:
        target = ledger.write(node.output)
        ledger.emit(BuiltinOperator.SOFTMAX, [ledger.read(x)], target, options)
    elif op.axis == 1 and rank in (3, 4):
        source = ledger.read(image(ledger, x))
        target = ledger.write(new_image(ledger, node.output))
        ledger.emit(BuiltinOperator.SOFTMAX, [source], target, options)
    else:
        order = (*(axis for axis in range(rank) if axis != op.axis), op.axis)
        shape = tuple(sizes(x)[axis] for axis in order)
        rows, result = (ledger.temporary(f"{node.name}/{n}", shape, x) for n in ("rows", "softmax"))
        ledger.transpose(ledger.read(x), order, rows)
        ledger.emit(BuiltinOperator.SOFTMAX, [rows], result, options)
        back = [order.index(axis) for axis in range(rank)]
        ledger.transpose(result, back, ledger.write(node.output))


def emit_float_pad(ledger: Ledger, node: Node[IntOp], op: ops.Pad) -> None:
    """PADV2 or MIRROR_PAD."""
    make = Elementwise(ledger, node)
    pads = op.pads
    if make.images:
        moved = [(0, 0)] * 4
        for axis, amount in zip(image_axes(len(pads)), pads, strict=True):
            moved[axis] = amount
        pads = tuple(moved)
    amounts = ledger.integers(np.asarray(pads), f"{node.name}/paddings")
    inputs = [make.read(node.inputs[0]), amounts]
    if op.mode is ops.PadMode.CONSTANT:
        inputs.append(make.number(op.value, "padding"))
        make.last(BuiltinOperator.PADV2, inputs, Options("PadV2Options"))
    elif op.mode is ops.PadMode.REFLECT:
        make.last(BuiltinOperator.MIRROR_PAD, inputs, Options("MirrorPadOptions", {"Mode": 0}))
    else:
        raise unsupported(node, f"TFLite has no {op.mode.value} padding", "Export to .onnx.")


def emit_quantize(ledger: Ledger, node: Node[IntOp]) -> None:
    """QUANTIZE."""
    source, target = ledger.read(node.inputs[0]), ledger.write(node.output)
    ledger.emit(BuiltinOperator.QUANTIZE, [source], target, Options("QuantizeOptions"))
