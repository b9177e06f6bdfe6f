"""Padding of windows: TFLite's SAME and VALID, and PAD before what is neither."""

from dataclasses import dataclass

import numpy as np

from intact.emit.tflite.ledger import Ledger
from intact.emit.tflite.schema import BuiltinOperator, Options, Padding
from intact.emit.tflite.values import sizes
from intact.ir.float_ops import Pads
from intact.ir.graph import Node, Value
from intact.ir.int_ops import IntOp
from intact.ir.windows import same_padding


@dataclass(frozen=True, slots=True)
class Window:
    """A window that slides over an image; one entry for height and one for width."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: Pads
    dilation: tuple[int, int] = (1, 1)

    def fields(self, padding: int) -> dict[str, int | float | bool]:
        """The options that all convolutions have."""
        return {
            "Padding": padding,
            "StrideH": self.stride[0],
            "StrideW": self.stride[1],
            "DilationHFactor": self.dilation[0],
            "DilationWFactor": self.dilation[1],
        }

    def reached(self, node: Node[IntOp]) -> Pads:
        """The padding that windows read; the stride may leave some of it untouched."""
        shape, out = sizes(node.inputs[0])[1:3], sizes(node.output)[1:3]
        return tuple(
            (before, max(0, (m - 1) * s + d * (k - 1) + 1 - n - before))
            for n, m, (before, _), k, s, d in zip(
                shape, out, self.padding, self.kernel, self.stride, self.dilation, strict=True
            )
        )

    def is_same(self, node: Node[IntOp]) -> bool:
        """Whether SAME gives the same windows."""
        shape, out = sizes(node.inputs[0])[1:3], sizes(node.output)[1:3]
        own = tuple(
            same_padding(n, k, s, d)
            for n, k, s, d in zip(shape, self.kernel, self.stride, self.dilation, strict=True)
        )
        sizes_agree = all(m == -(-n // s) for n, m, s in zip(shape, out, self.stride, strict=True))
        return sizes_agree and own == self.reached(node)


def window_input(
    ledger: Ledger, node: Node[IntOp], window: Window, *, same: bool, fill: int | None = None
) -> tuple[int, int]:
    """(tensor, SAME or VALID): what the node's windows read, and with which padding.

    `same` says whether the operator's own SAME padding means what ours does. Where it is not used,
    a PAD writes the code `fill`, the zero point if None.
    """
    x = node.inputs[0]
    reached = window.reached(node)
    source = ledger.read(x)
    if not np.any(reached):
        return source, int(Padding.VALID)
    if same and window.is_same(node):
        return source, int(Padding.SAME)
    pads = ((0, 0), *reached, (0, 0))
    return pad(ledger, x, pads, f"{node.name}/padded", fill), int(Padding.VALID)


def pad(ledger: Ledger, x: Value, pads: Pads, name: str, fill: int | None = None) -> int:
    """The value behind PAD, which writes its zero point, or PADV2 with the code `fill`."""
    shape = tuple(n + sum(pair) for n, pair in zip(sizes(x), pads, strict=True))
    source, target = ledger.read(x), ledger.temporary(name, shape, x)
    amounts = ledger.integers(np.asarray(pads), f"{name}/paddings")
    return emit_pad(ledger, x, source, amounts, target, fill)


def emit_pad(
    ledger: Ledger, x: Value, source: int, amounts: int, target: int, fill: int | None
) -> int:
    """PAD or PADV2 into a tensor that exists."""
    if fill is None:
        return ledger.emit(BuiltinOperator.PAD, [source, amounts], target, Options("PadOptions"))
    like = ledger.writer.tensors[source]
    code = np.asarray(fill, x.dtype.storage)
    value = ledger.constant(f"{like.name}/padding", code, like.type, like.quantization)
    inputs = [source, amounts, value]
    return ledger.emit(BuiltinOperator.PADV2, inputs, target, Options("PadV2Options"))
