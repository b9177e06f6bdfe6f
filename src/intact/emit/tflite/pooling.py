"""Maxima and averages over windows."""

from collections.abc import Sequence
from dataclasses import dataclass

from intact.emit.tflite.ledger import Ledger
from intact.emit.tflite.padding import Window, pad, window_input
from intact.emit.tflite.schema import ActivationFunctionType, BuiltinOperator, Options, Padding
from intact.emit.tflite.slicing import strided_slice
from intact.emit.tflite.values import code_range, sizes, unsupported
from intact.ir import int_ops
from intact.ir.graph import Node
from intact.ir.int_ops import IntOp
from intact.ir.windows import adaptive_windows


def emit_max_pool(ledger: Ledger, node: Node[IntOp], op: int_ops.QMaxPool2d) -> None:
    """MAX_POOL_2D; padding that is not SAME holds the lowest code, which never wins."""
    if op.dilation != (1, 1):
        raise unsupported(node, "TFLite has no dilated pooling", "Export to .onnx or C.")
    window = Window(op.kernel, op.stride, op.padding)
    lowest, _ = code_range(node.inputs[0])
    source, padding = window_input(ledger, node, window, same=True, fill=lowest)
    options = _pool_options(op.kernel, op.stride, padding)
    ledger.emit(BuiltinOperator.MAX_POOL_2D, [source], ledger.write(node.output), options)


def _pool_options(kernel: tuple[int, int], stride: tuple[int, int], padding: int) -> Options:
    return Options(
        "Pool2DOptions",
        {
            "Padding": padding,
            "StrideH": stride[0],
            "StrideW": stride[1],
            "FilterHeight": kernel[0],
            "FilterWidth": kernel[1],
            "FusedActivationFunction": ActivationFunctionType.NONE,
        },
    )


# --- averages ----------------------------------------------------------------------------------


def emit_avg_pool(ledger: Ledger, node: Node[IntOp], op: int_ops.QAvgPool2d) -> None:
    """AVERAGE_POOL_2D; padding that counts is a PAD before it."""
    x = node.inputs[0]
    window = Window(op.kernel, op.stride, op.padding)
    if not op.count_include_pad and window.is_same(node):
        source, options = ledger.read(x), _pool_options(op.kernel, op.stride, int(Padding.SAME))
        ledger.emit(BuiltinOperator.AVERAGE_POOL_2D, [source], ledger.write(node.output), options)
        return
    source, shifts = ledger.read(x), tuple(before for before, _ in op.padding)
    if op.count_include_pad and any(map(any, op.padding)):
        source = pad(ledger, x, ((0, 0), *op.padding, (0, 0)), f"{node.name}/padded")
        shifts = (0, 0)
    space = ledger.writer.tensors[source].shape[1:3]
    out = sizes(node.output)[1:3]
    rows, columns = (
        _clipped(size, count, kernel, stride, before)
        for size, count, kernel, stride, before in zip(
            space, out, op.kernel, op.stride, shifts, strict=True
        )
    )
    _averages(ledger, node, source, rows, columns)


def _clipped(size: int, count: int, kernel: int, stride: int, before: int) -> list[slice]:
    """The pixels of each window along one axis."""
    starts = [i * stride - before for i in range(count)]
    return [slice(max(start, 0), min(start + kernel, size)) for start in starts]


def emit_adaptive(ledger: Ledger, node: Node[IntOp], op: int_ops.QAdaptiveAvgPool2d) -> None:
    """AVERAGE_POOL_2D over the parts of the image where windows have one size."""
    x = node.inputs[0]
    rows, columns = (adaptive_windows(n, m) for n, m in zip(sizes(x)[1:3], op.size, strict=True))
    _averages(ledger, node, ledger.read(x), rows, columns)


@dataclass(frozen=True, slots=True)
class _Run:
    """Windows of one size at equal distances along an axis."""

    start: int
    size: int
    stride: int
    count: int

    @property
    def stop(self) -> int:
        """Behind the last window."""
        return self.start + (self.count - 1) * self.stride + self.size


def _runs(windows: Sequence[slice]) -> list[_Run]:
    runs: list[_Run] = []
    for window in windows:
        size = window.stop - window.start
        last = runs[-1] if runs else None
        if last is not None and last.size == size:
            step = window.start - last.start - (last.count - 1) * last.stride
            if (last.count == 1 and step > 0) or step == last.stride:
                runs[-1] = _Run(last.start, size, step, last.count + 1)
                continue
        runs.append(_Run(window.start, size, 1, 1))
    return runs


def _averages(
    ledger: Ledger, node: Node[IntOp], source: int, rows: Sequence[slice], columns: Sequence[slice]
) -> None:
    """The mean of each window, by one AVERAGE_POOL_2D for all that have a size in common."""
    across = _runs(columns)
    bands = []
    down = _runs(rows)
    whole = sizes(node.output)
    for row in down:
        parts = []
        for column in across:
            shape = (whole[0], row.count, column.count, whole[3])
            target = _target(ledger, node, shape)
            parts.append(_pool(ledger, source, row, column, target))
        bands.append(_joined(ledger, node, parts, 2, (whole[0], row.count, *whole[2:])))
    _joined(ledger, node, bands, 1, whole)


def _target(ledger: Ledger, node: Node[IntOp], shape: tuple[int, ...]) -> int:
    """The node's own tensor, if the shape is the whole output's."""
    if shape == sizes(node.output):
        return ledger.write(node.output)
    return ledger.temporary(f"{node.name}/part", shape, node.output)


def _joined(
    ledger: Ledger, node: Node[IntOp], parts: Sequence[int], axis: int, shape: tuple[int, ...]
) -> int:
    if len(parts) == 1:
        return parts[0]
    options = Options("ConcatenationOptions", {"Axis": axis})
    target = _target(ledger, node, shape)
    return ledger.emit(BuiltinOperator.CONCATENATION, parts, target, options)


def _pool(ledger: Ledger, source: int, row: _Run, column: _Run, target: int) -> int:
    tensor = ledger.writer.tensors[source]
    height, width = tensor.shape[1:3]
    if (row.start, row.stop, column.start, column.stop) != (0, height, 0, width):
        shape = (
            tensor.shape[0], row.stop - row.start, column.stop - column.start, tensor.shape[3]
        )  # fmt: skip
        name = f"{ledger.writer.tensors[target].name}/pixels"
        part = ledger.writer.tensor(name, shape, tensor.type, tensor.quantization)
        ranges = {1: (row.start, row.stop, 1), 2: (column.start, column.stop, 1)}
        source = strided_slice(ledger, source, ranges, part)
    kernel, stride = (row.size, column.size), (row.stride, column.stride)
    options = _pool_options(kernel, stride, int(Padding.VALID))
    return ledger.emit(BuiltinOperator.AVERAGE_POOL_2D, [source], target, options)
