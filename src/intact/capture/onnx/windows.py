"""Strides, dilations and padding of ONNX convolutions and pooling."""

from dataclasses import dataclass

from intact.capture.onnx.node import OnnxNode
from intact.ir.float_ops import Pads
from intact.ir.graph import Shape, Value

_LARGEST = 1 << 16  # stride, dilation, kernel or padding


@dataclass(frozen=True, slots=True)
class Window:
    """One number, or pair for padding, for each space axis."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: Pads

    def reach(self, axis: int) -> int:
        """Extent of the dilated kernel."""
        return self.dilation[axis] * (self.kernel[axis] - 1) + 1

    def overhang(self, sizes: Shape, out: Shape) -> tuple[int, ...]:
        """What the last window of each axis needs behind the padded input, as with ceil_mode."""
        return tuple(
            max(0, (o - 1) * self.stride[i] + self.reach(i) - (n + sum(self.padding[i])))
            for i, (n, o) in enumerate(zip(sizes, out, strict=True))
        )


def space(node: OnnxNode, x: Value, *, ranks: tuple[int, ...] = (3, 4)) -> Shape:
    """The sizes of x's space axes.

    Raises:
        UnsupportedOpError: if x has another rank, or an axis behind the first depends on the batch.
    """
    if len(x.shape) not in ranks:
        raise node.unsupported(
            f"has an input of rank {len(x.shape)}; intact supports {_listing(ranks)}",
            "Express it with 2-D operations",
        )
    if any(dim < 0 for dim in x.shape[1:]):
        raise node.unsupported(
            "mixes samples of the batch in its channel or space axes",
            "Export the network with the batch as the first axis of this layer",
        )
    return x.shape[2:]


def _listing(ranks: tuple[int, ...]) -> str:
    return " and ".join(map(str, ranks))


def window(node: OnnxNode, sizes: Shape, kernel: tuple[int, ...]) -> Window:
    """The node's window over an input with these space sizes, `auto_pad` resolved.

    Raises:
        FormatError: for lists of the wrong length and sizes that are not positive.
    """
    rank = len(sizes)
    stride = _positive(node, "strides", rank)
    dilation = _positive(node, "dilations", rank)
    if len(kernel) != rank or min(kernel) < 1 or max(kernel) > _LARGEST:
        raise node.malformed(f"has the kernel {kernel} for {rank} space axes")
    declared = node.integers("kernel_shape")
    if declared is not None and declared != kernel:
        raise node.malformed(f"has kernel_shape {declared} and a weight of {kernel}")
    bare = Window(kernel, stride, dilation, ((0, 0),) * rank)
    return Window(kernel, stride, dilation, _padding(node, sizes, bare))


def _positive(node: OnnxNode, name: str, rank: int) -> tuple[int, ...]:
    values = node.integers(name) or (1,) * rank
    if len(values) != rank or min(values) < 1 or max(values) > _LARGEST:
        raise node.malformed(f"attribute {name} is {values}, not {rank} small positive integers")
    return values


def _padding(node: OnnxNode, sizes: Shape, bare: Window) -> Pads:
    match node.text("auto_pad", "NOTSET"):
        case "NOTSET":
            pads = node.integers("pads") or (0,) * (2 * len(sizes))
            return as_pairs(node, pads, len(sizes))
        case "VALID":
            return bare.padding
        case "SAME_UPPER":
            return tuple((total // 2, total - total // 2) for total in _same(sizes, bare))
        case "SAME_LOWER":
            return tuple((total - total // 2, total // 2) for total in _same(sizes, bare))
        case other:
            raise node.malformed(f"attribute auto_pad is {other}")


def _same(sizes: Shape, bare: Window) -> tuple[int, ...]:
    """Total padding for which out = ceil(in / stride)."""
    out = tuple(-(-n // s) for n, s in zip(sizes, bare.stride, strict=True))
    return bare.overhang(sizes, out)


def as_pairs(node: OnnxNode, pads: tuple[int, ...], rank: int) -> Pads:
    """ONNX's (before, before, ..., after, after, ...) as one pair an axis.

    Raises:
        FormatError: if they are not two for each axis or negative.
    """
    if len(pads) != 2 * rank or min(pads) < 0 or max(pads) > _LARGEST:
        raise node.malformed(f"attribute pads is {pads}, not {2 * rank} sizes")
    return tuple(zip(pads[:rank], pads[rank:], strict=True))
