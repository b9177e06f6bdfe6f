"""The native CPU engine of intact: exact integer kernels."""

from collections.abc import Sequence
from enum import Enum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from intact.numerics.arrays import Array

class Isa(Enum):  # `none`, and those of the CPU's architecture
    none = 0
    avx2 = 1
    avx512vnni = 2
    neon = 1
    neondot = 2

def best_isa() -> Isa: ...

class DType(Enum):
    bool = 0
    int8 = 1
    uint8 = 2
    int16 = 3
    uint16 = 4
    int32 = 5
    int64 = 6
    float32 = 7

class Place(Enum):
    constant = 0
    arena = 1
    alias = 2
    input = 3
    output = 4

class Op:
    @property
    def kernel(self) -> str: ...
    @property
    def packed_bytes(self) -> int: ...

class Network:
    def add_value(self, dtype: DType, /) -> int: ...
    def add_constant(self, array: Array, /) -> int: ...
    def add_step(self, name: str, op: Op, inputs: Sequence[int], output: int, /) -> None: ...
    @property
    def constant_bytes(self) -> int: ...
    @property
    def packed_bytes(self) -> int: ...
    def kernels(self) -> list[tuple[str, str]]: ...

class Plan:
    @property
    def arena_bytes(self) -> int: ...

def plan(
    network: Network,
    locations: Sequence[tuple[tuple[int, ...], Place, int]],
    arena_bytes: int,
    threads: int,
    /,
) -> Plan: ...
def loop(
    network: Network,
    shapes: Sequence[tuple[int, ...]],
    given: Sequence[int],
    after: Sequence[int],
    axis: int,
    state: int,
    reverse: bool,
    /,
) -> Op: ...

class Engine:
    def __init__(self, network: Network, threads: int, /) -> None: ...
    @property
    def threads(self) -> int: ...
    def run(
        self, plan: Plan, parts: int, inputs: Sequence[Array], outputs: Sequence[Array], /
    ) -> None: ...
    def profile(
        self, plan: Plan, parts: int, inputs: Sequence[Array], outputs: Sequence[Array], /
    ) -> list[float]: ...
    def close(self) -> None: ...

class Requant:
    def __init__(
        self,
        multiplier: NDArray[np.int32],
        shift: NDArray[np.int32],
        zero_point: int,
        qmin: NDArray[np.int32],
        qmax: NDArray[np.int32],
        wide: bool,
        /,
    ) -> None: ...

def copy() -> Op: ...
def lookup(low: int, table: NDArray[np.int32], output: DType, isa: Isa, /) -> Op: ...

# --- operations on codes beside linear algebra ------------------------------------------------

_Pair: TypeAlias = tuple[int, int]
_Padding: TypeAlias = tuple[_Pair, _Pair]
_Operand: TypeAlias = tuple[int, int, int]  # zero point, multiplier, shift

class PadMode(Enum):
    constant = 0
    reflect = 1
    replicate = 2
    circular = 3

class Normalization:
    def __init__(
        self,
        epsilon: int,
        gain_sign: NDArray[np.int8],
        gain: Requant,
        beta: NDArray[np.int32],
        zero_point: int,
        output: _Pair,
        /,
    ) -> None: ...

def sum_codes(
    a: _Operand, b: _Operand, left_shift: int, subtract: bool, requant: Requant, isa: Isa, /
) -> Op: ...
def mul(a_zero_point: int, b_zero_point: int, requant: Requant, isa: Isa, /) -> Op: ...
def prelu(
    input_zero_point: int, slope_zero_point: int, positive: Requant, negative: Requant, /
) -> Op: ...
def interpolated_lookup(
    table: NDArray[np.int32], bits: int, source: _Pair, output: _Pair, isa: Isa, /
) -> Op: ...
def softmax(
    multiplier: int, shift: int, diff_min: int, bits: int, output: _Pair, isa: Isa, /
) -> Op: ...
def softmax16(
    multiplier: int,
    shift: int,
    exp_table: NDArray[np.int32],
    reciprocal_table: NDArray[np.int32],
    bits: int,
    /,
) -> Op: ...
def layer_norm(
    axes: int, normalization: Normalization, source: DType, output: DType, isa: Isa, /
) -> Op: ...
def group_norm(
    groups: int, normalization: Normalization, source: DType, output: DType, isa: Isa, /
) -> Op: ...
def max_pool2d(
    kernel: _Pair, stride: _Pair, padding: _Padding, dilation: _Pair, isa: Isa, /
) -> Op: ...
def avg_pool2d(
    kernel: _Pair,
    stride: _Pair,
    padding: _Padding,
    count_include_pad: bool,
    zero_point: int,
    isa: Isa,
    /,
) -> Op: ...
def adaptive_avg_pool2d(pixels: int, isa: Isa, /) -> Op: ...
def mean(
    axes: Sequence[int], input_zero_point: int, requant: Requant, output: DType, isa: Isa, /
) -> Op: ...
def resize_nearest2d(channels_first: bool) -> Op: ...
def resize_bilinear2d(align_corners: bool, narrow: bool, isa: Isa, /) -> Op: ...
def permute(axes: Sequence[int], isa: Isa, /) -> Op: ...
def slice_axis(axis: int, start: int, stop: int, step: int, /) -> Op: ...
def expand() -> Op: ...
def pad(before: Sequence[int], mode: PadMode, value: NDArray[np.uint8], /) -> Op: ...
def concat(axis: int, /) -> Op: ...

# Kernels for 8-bit codes; None where there is none up to `isa`. _Codes: dtype, lowest, highest.

_Codes: TypeAlias = tuple[DType, int, int]

def sum_s8(
    a: _Operand,
    b: _Operand,
    left_shift: int,
    subtract: bool,
    a_codes: _Codes,
    b_codes: _Codes,
    output: DType,
    requant: Requant,
    isa: Isa,
    /,
) -> Op | None: ...
def mul_s8(
    a_zero_point: int,
    b_zero_point: int,
    a_codes: _Codes,
    b_codes: _Codes,
    output: DType,
    requant: Requant,
    isa: Isa,
    /,
) -> Op | None: ...

class Window:
    def __init__(
        self,
        stride: Sequence[int],
        padding: Sequence[Sequence[int]],
        dilation: Sequence[int],
        groups: int,
        /,
    ) -> None: ...

def conv2d_s8(
    window: Window,
    image: _Pair,
    zero_point: int,
    input_dtype: DType,
    output_dtype: DType,
    weight: NDArray[np.int8],
    bias: NDArray[np.int32],
    requant: Requant,
    isa: Isa,
    /,
) -> Op | None: ...
def winograd2_conv2d_s8(
    window: Window,
    image: _Pair,
    zero_point: int,
    input_dtype: DType,
    output_dtype: DType,
    weight: NDArray[np.int8],
    bias: NDArray[np.int32],
    requant: Requant,
    isa: Isa,
    /,
) -> Op | None: ...
def winograd4_conv2d_s8(
    window: Window,
    image: _Pair,
    zero_point: int,
    input_dtype: DType,
    output_dtype: DType,
    weight: NDArray[np.int8],
    bias: NDArray[np.int32],
    requant: Requant,
    isa: Isa,
    /,
) -> Op | None: ...
def linear_s8(
    zero_point: int,
    input_dtype: DType,
    output_dtype: DType,
    weight: NDArray[np.int8],
    bias: NDArray[np.int32],
    requant: Requant,
    isa: Isa,
    /,
) -> Op | None: ...
def matmul_s8(
    depth: int,
    columns: int,
    a_zero_point: int,
    b_zero_point: int,
    requant: Requant,
    a: DType,
    b: DType,
    output_dtype: DType,
    isa: Isa,
    /,
) -> Op | None: ...

# Kernels for all codes. Weights are integers less their zero points (int8, int16 or int32), biases
# int32 or int64.

def conv2d(
    window: Window,
    zero_point: int,
    input_dtype: DType,
    output_dtype: DType,
    weight: Array,
    bias: Array,
    requant: Requant,
    /,
) -> Op: ...
def conv_transpose2d(
    window: Window,
    zero_point: int,
    input_dtype: DType,
    output_dtype: DType,
    weight: Array,
    bias: Array,
    requant: Requant,
    /,
) -> Op: ...
def linear(
    zero_point: int,
    input_dtype: DType,
    output_dtype: DType,
    weight: Array,
    bias: Array,
    requant: Requant,
    /,
) -> Op: ...
def matmul(a_zero_point: int, b_zero_point: int, requant: Requant, /) -> Op: ...
def embedding(weight: Array, requant: Requant, /) -> Op: ...
def conv2d_16(
    window: Window,
    weight: NDArray[np.int8],
    bias: NDArray[np.int64],
    requant: Requant,
    isa: Isa,
    /,
) -> Op | None: ...
def dynamic_conv2d(
    window: Window,
    bits: int,
    weight: Array,
    weight_scale: NDArray[np.float32],
    bias: NDArray[np.float32],
    isa: Isa,
    /,
) -> Op: ...
def dynamic_linear(
    bits: int,
    weight: Array,
    weight_scale: NDArray[np.float32],
    bias: NDArray[np.float32],
    isa: Isa,
    /,
) -> Op: ...

# Element i has the scale and zero point (i / elements of the last inner_axes axes) % entries.

def quantize(
    scale: NDArray[np.float32],
    zero_point: NDArray[np.int32],
    inner_axes: int,
    qmin: int,
    qmax: int,
    isa: Isa,
    /,
) -> Op: ...
def dequantize(
    scale: NDArray[np.float32], zero_point: NDArray[np.int32], inner_axes: int, isa: Isa, /
) -> Op: ...
def requantize(input_zero_point: int, requant: Requant, isa: Isa, /) -> Op: ...

# Real numbers.
def float_linear(weight: NDArray[np.float32], isa: Isa, /) -> Op: ...
def weight_only_linear(
    codes: NDArray[np.int8], bits: int, scales: NDArray[np.float32], isa: Isa, /
) -> Op: ...
def float_matmul(isa: Isa, /) -> Op: ...
def float_conv(
    kernel: _Pair,
    stride: _Pair,
    before: _Pair,
    dilation: _Pair,
    spread: _Pair,
    groups: int,
    weight: NDArray[np.float32],
    isa: Isa,
    /,
) -> Op: ...
def rows() -> Op: ...

class Activation(Enum):
    clamp = 0
    leaky_relu = 1
    hard_sigmoid = 2
    hard_swish = 3
    sigmoid = 4
    tanh = 5
    silu = 6
    gelu = 7
    gelu_tanh = 8

def activation(kind: Activation, low: float, high: float, isa: Isa, /) -> Op: ...
def float_add() -> Op: ...
def float_sub() -> Op: ...
def float_mul() -> Op: ...
def float_prelu() -> Op: ...
def channel_clamp(low: NDArray[np.float32], high: NDArray[np.float32], /) -> Op: ...
def channel_affine(gain: NDArray[np.float32], shift: NDArray[np.float32], /) -> Op: ...
def float_max_pool(
    kernel: _Pair,
    stride: _Pair,
    before: _Pair,
    dilation: _Pair,
    isa: Isa,
    /,
) -> Op: ...
def float_avg_pool(
    kernel: _Pair,
    stride: _Pair,
    before: _Pair,
    after: _Pair,
    count_include_pad: bool,
    /,
) -> Op: ...
def float_adaptive_avg_pool() -> Op: ...
def float_mean(axes: Sequence[int], /) -> Op: ...
def float_resize_bilinear(align_corners: bool, /) -> Op: ...
def float_softmax(axis: int, isa: Isa, /) -> Op: ...
def float_layer_norm(axes: int, eps: float, isa: Isa, /) -> Op: ...
def float_group_norm(groups: int, eps: float, isa: Isa, /) -> Op: ...

# Products of int8 codes less a zero point that both change with every call, to int32 sums modulo
# 2**32. Transposed: as it lies in memory. Images are (N, H, W, C), weights (O, kh, kw, C).
class Products:
    def __init__(self, threads: int, isa: Isa, /) -> None: ...
    def multiply(
        self,
        a: NDArray[np.int8],
        a_zero_point: int,
        a_transposed: bool,
        b: NDArray[np.int8],
        b_zero_point: int,
        b_transposed: bool,
        sums: NDArray[np.int32],
        /,
    ) -> None: ...
    def convolve(
        self,
        window: Window,
        x: NDArray[np.int8],
        zero_point: int,
        weight: NDArray[np.int8],
        sums: NDArray[np.int32],
        /,
    ) -> None: ...
    def convolve_input(
        self,
        window: Window,
        g: NDArray[np.int8],
        weight: NDArray[np.int8],
        sums: NDArray[np.int32],
        /,
    ) -> None: ...
    def convolve_weight(
        self,
        window: Window,
        g: NDArray[np.int8],
        x: NDArray[np.int8],
        zero_point: int,
        sums: NDArray[np.int32],
        /,
    ) -> None: ...
