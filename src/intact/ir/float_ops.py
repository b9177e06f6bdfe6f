"""The operations of a captured network: torch's semantics, channels first (N, C, ...).

Inputs of each operation are listed as ``x, weight, [bias]``; those in brackets may be absent. The
set is closed: functions over it use ``match`` and ``assert_never``. Axes are not negative.
"""

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from intact.ir.graph import Graph

Pads: TypeAlias = tuple[tuple[int, int], ...]  # (before, after) for each axis


class PadMode(Enum):
    """What stands outside of a padded tensor."""

    CONSTANT = "constant"
    REFLECT = "reflect"
    REPLICATE = "replicate"
    CIRCULAR = "circular"


# --- linear algebra --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Conv:
    """x (N, C, *space), weight (O, C/groups, *kernel), [bias (O,)]; 1 or 2 space axes.

    Zero padding; other padding modes are captured as `Pad` before a `Conv` without padding.
    """

    stride: tuple[int, ...]
    padding: Pads  # one pair for each space axis
    dilation: tuple[int, ...]
    groups: int = 1


@dataclass(frozen=True, slots=True)
class ConvTranspose:
    """x (N, C, H, W), weight (C, O/groups, kh, kw), [bias (O,)].

    out = (in - 1) * stride - before - after + dilation * (kernel - 1) + output_padding + 1.
    """

    stride: tuple[int, ...]
    padding: Pads
    output_padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1


@dataclass(frozen=True, slots=True)
class Linear:
    """x (..., I), weight (O, I), [bias (O,)]."""


@dataclass(frozen=True, slots=True)
class MatMul:
    """a (..., M, K), b (..., K, N); leading axes broadcast."""


@dataclass(frozen=True, slots=True)
class Embedding:
    """Indices (...) of an integer dtype, weight (V, D): out (..., D)."""


# --- normalization ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BatchNorm:
    """x (N, C, ...), gamma (C,), beta (C,), mean (C,), variance (C,); running statistics."""

    eps: float
    momentum: float = 0.1


@dataclass(frozen=True, slots=True)
class LayerNorm:
    """x, gamma, beta of x's last `axes` axes; over those axes, biased variance."""

    axes: int
    eps: float


@dataclass(frozen=True, slots=True)
class GroupNorm:
    """x (N, C, ...), gamma (C,), beta (C,)."""

    groups: int
    eps: float


# --- arithmetic ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Add:
    """a + b, broadcasting."""


@dataclass(frozen=True, slots=True)
class Sub:
    """a - b, broadcasting."""


@dataclass(frozen=True, slots=True)
class Mul:
    """a * b, broadcasting; a division by a constant is captured as this."""


@dataclass(frozen=True, slots=True)
class Concat:
    """Any number of inputs, joined along `axis`."""

    axis: int


# --- activations -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Relu:
    """max(x, 0)."""


@dataclass(frozen=True, slots=True)
class Clamp:
    """min(max(x, low), high); ReLU6 is Clamp(0, 6). None: no bound on that side.

    Without bounds it is the identity, whose result may have codes of its own.
    """

    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class ChannelClamp:
    """x (N, C, ...), low (C,), high (C,): min(max(x, low), high) with the bounds of its channel.

    A bound that does not exist is -inf or inf. A ReLU6 whose channels are scaled is one.
    """


@dataclass(frozen=True, slots=True)
class LeakyRelu:
    """X where x >= 0, else slope * x."""

    slope: float


@dataclass(frozen=True, slots=True)
class Prelu:
    """x (N, C, ...), slope (C,) or (1,): x where x >= 0, else slope * x."""


@dataclass(frozen=True, slots=True)
class HardSigmoid:
    """clamp(x + 3, 0, 6) / 6."""


@dataclass(frozen=True, slots=True)
class HardSwish:
    """X * clamp(x + 3, 0, 6) / 6."""


@dataclass(frozen=True, slots=True)
class Sigmoid:
    """1 / (1 + exp(-x))."""


@dataclass(frozen=True, slots=True)
class Tanh:
    """Hyperbolic tangent."""


@dataclass(frozen=True, slots=True)
class Silu:
    """X * sigmoid(x)."""


@dataclass(frozen=True, slots=True)
class Gelu:
    """X * Phi(x), or its tanh approximation."""

    tanh: bool = False


@dataclass(frozen=True, slots=True)
class Softmax:
    """exp(x) / sum exp(x) along `axis`."""

    axis: int


# --- pooling, resizing, shape ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MaxPool:
    """x (N, C, *space); padding never wins. `ceil_mode` is resolved into `padding` at capture."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Pads
    dilation: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AvgPool:
    """x (N, C, *space); divides by the number of taps that count.

    `padding` is the user's and counts if `count_include_pad`; `overhang` is what ceil_mode adds
    behind it, which never counts.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Pads
    count_include_pad: bool
    overhang: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AdaptiveAvgPool:
    """x (N, C, *space): window i of an axis is floor(i*n/out) .. ceil((i+1)*n/out)."""

    size: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Mean:
    """Mean over `axes`."""

    axes: tuple[int, ...]
    keepdims: bool


@dataclass(frozen=True, slots=True)
class ResizeNearest:
    """x (N, C, *space) to `size`: source index floor(i * in / out)."""

    size: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ResizeBilinear:
    """x (N, C, H, W) to `size`; without align_corners, half-pixel centres as in torch."""

    size: tuple[int, ...]
    align_corners: bool


@dataclass(frozen=True, slots=True)
class Pad:
    """Pads every axis of x; `value` is used by PadMode.CONSTANT."""

    pads: Pads  # one pair for each axis of x
    mode: PadMode = PadMode.CONSTANT
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class Reshape:
    """Same elements, row-major order; flatten, view, squeeze, unsqueeze. -k: k times the batch."""

    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Permute:
    """Output axis i is input axis axes[i]."""

    axes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Slice:
    """x[start:stop:step] along `axis`; 0 <= start < stop <= size, step >= 1."""

    axis: int
    start: int
    stop: int
    step: int = 1


@dataclass(frozen=True, slots=True)
class Expand:
    """Repeats axes of size 1 until x has `shape` (same rank); -k: k times the batch."""

    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Dropout:
    """Zeroes elements with probability p in training; identity otherwise."""

    p: float


Activation: TypeAlias = (
    Relu | Clamp | LeakyRelu | HardSigmoid | HardSwish | Sigmoid | Tanh | Silu | Gelu
)
BodyOp: TypeAlias = (
    Conv
    | ConvTranspose
    | Linear
    | MatMul
    | Embedding
    | BatchNorm
    | LayerNorm
    | GroupNorm
    | Add
    | Sub
    | Mul
    | Concat
    | Activation
    | ChannelClamp
    | Prelu
    | Softmax
    | MaxPool
    | AvgPool
    | AdaptiveAvgPool
    | Mean
    | ResizeNearest
    | ResizeBilinear
    | Pad
    | Reshape
    | Permute
    | Slice
    | Expand
    | Dropout
)


# --- recurrence ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Scan:
    """x, initial states, whatever else the body reads: the sequence of one state.

    The body computes one time step: it reads x without its axis of time, the states and the rest,
    and gives the next states, in the order of their inputs. What it reads has the shape of what the
    node reads, and a constant has its name in the body too. It runs once for each entry of x along
    `axis`, the last one first if `reverse`. Output t along `axis` is state number `state` after
    step t.
    """

    body: Graph[BodyOp]
    axis: int  # of time
    state: int
    reverse: bool


FloatOp: TypeAlias = BodyOp | Scan
