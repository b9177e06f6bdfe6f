"""Vector kernels of depthwise convolutions equal the reference, at every level of instructions."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intact.exec.native.library import native
from intact.ir import int_ops
from intact.numerics.formats import Int
from tests.unit.exec.native.convolving import Case, fitting
from tests.unit.exec.native.drawing import draw_codes, draw_requant
from tests.unit.exec.oracle import seeds

LEVELS = [isa for isa in native.Isa if 0 < isa.value <= native.best_isa().value]
CHANNELS = (1, 3, 7, 8, 15, 16, 17, 24, 31, 32, 33, 63, 64, 65, 96, 144)
KERNELS = ((1, 1), (3, 3), (5, 5), (3, 1), (1, 3), (7, 7), (2, 4))
INT8, UINT8 = Int(8), Int(8, signed=False)
BYTES = (INT8, UINT8)

each_level = pytest.mark.parametrize("isa", LEVELS, ids=lambda isa: isa.name)


def check(case: Case, isa: native.Isa, threads: int = 1) -> None:
    made = case.build(native.conv2d_s8, isa)
    assert made is not None
    assert made.kernel.startswith("conv2d depthwise")
    case.check(made, (threads,))


def draw_case(rng: np.random.Generator, channels: int, kernel: tuple[int, int]) -> Case:
    source, output = (BYTES[int(i)] for i in rng.integers(0, 2, 2))
    dilation = tuple(int(d) for d in rng.choice([1, 1, 1, 2], 2))
    padding = rng.integers(0, 4, (2, 2))
    reach = [
        (k - 1) * d + 1 - pads.sum() for k, d, pads in zip(kernel, dilation, padding, strict=True)
    ]
    size = [max(int(rng.integers(1, 10)), int(least)) for least in reach]
    weight = draw_codes(rng, (channels, *kernel, 1), INT8)
    zero_point = int(rng.choice([source.qmin, source.qmax, rng.integers(source.qmin, source.qmax)]))
    bias = rng.integers(-20_000, 20_000, channels).astype(np.int32)
    stride = tuple(int(s) for s in rng.choice([1, 1, 2, 2, 3], 2))
    op = int_ops.QConv2d(
        stride=stride,
        padding=tuple((int(a), int(b)) for a, b in padding),
        dilation=dilation,
        groups=channels,
        input_zero_point=zero_point,
        weight_zero_point=None,
        requant=fitting(rng, weight, output),
    )
    x = draw_codes(rng, (int(rng.integers(1, 3)), *size, channels), source)
    return Case(op, x, weight, bias, source, output)


def with_any_requant(rng: np.random.Generator, case: Case) -> Case:
    channels = len(case.weight)
    largest = 255 * int(np.abs(case.weight.astype(int)).sum(axis=(1, 2, 3)).max())
    room = (1 << 31) - 2 - largest
    bias = rng.integers(-room, room, channels) if rng.random() < 0.3 else case.bias
    drawn = draw_requant(rng, channels, case.output, largest, wide=False)
    return replace(case, op=replace(case.op, requant=drawn), bias=bias.astype(np.int32))


def extreme_cases(source: Int, kernel: tuple[int, int]) -> Iterator[Case]:
    """The largest products of both signs."""
    rng = np.random.default_rng(5)
    for x, weight, zero_point in product(
        (source.qmin, source.qmax), (-128, -127, 127), (source.qmin, source.qmax)
    ):
        case = draw_case(rng, 40, kernel)
        taps = np.full(case.weight.shape, weight, np.int8)
        codes = np.full((1, 8, 9, 40), x, source.storage)
        op = replace(
            case.op,
            input_zero_point=zero_point,
            padding=((3, 3), (3, 3)),
            requant=fitting(rng, taps, case.output),
        )
        yield replace(case, op=op, x=codes, weight=taps, source=source)


@each_level
@pytest.mark.parametrize("channels", CHANNELS)
def test_every_kernel_equals_the_reference(channels: int, isa: native.Isa) -> None:
    rng = np.random.default_rng(channels)
    for kernel, _ in product(KERNELS, range(4)):
        check(draw_case(rng, channels, kernel), isa)


@each_level
@given(seeds, st.sampled_from(CHANNELS), st.sampled_from(KERNELS), st.sampled_from([1, 3]))
@settings(max_examples=200)
def test_any_requant_equals_the_reference(
    isa: native.Isa, seed: int, channels: int, kernel: tuple[int, int], threads: int
) -> None:
    rng = np.random.default_rng(seed)
    check(with_any_requant(rng, draw_case(rng, channels, kernel)), isa, threads)


@each_level
@pytest.mark.parametrize("kernel", KERNELS, ids=str)
@pytest.mark.parametrize("source", BYTES, ids=["int8", "uint8"])
def test_the_largest_products_are_exact(
    source: Int, kernel: tuple[int, int], isa: native.Isa
) -> None:
    for case in extreme_cases(source, kernel):
        check(case, isa)


@each_level
def test_wide_rows_are_cut_into_tiles(isa: native.Isa) -> None:
    rng = np.random.default_rng(6)
    for kernel, stride in product([(3, 3), (5, 5), (7, 7)], [1, 2, 3]):
        case = draw_case(rng, 80, kernel)
        op = replace(case.op, stride=(stride, stride))
        x = draw_codes(rng, (1, 14, 150 + stride, 80), case.source)
        check(replace(case, op=op, x=x), isa, threads=2)


@each_level
def test_tensors_may_start_anywhere(isa: native.Isa) -> None:
    rng = np.random.default_rng(7)
    for channels in (8, 32, 96):
        case = draw_case(rng, channels, (3, 3))
        storage = np.zeros(case.x.size + 1, case.x.dtype)[1:].reshape(case.x.shape)
        storage[...] = case.x
        check(replace(case, x=storage), isa)


@each_level
@pytest.mark.parametrize("shift", [-20, -1, 0, 4])
def test_channels_without_an_exact_float_multiplier_use_integers(
    shift: int, isa: native.Isa
) -> None:
    rng = np.random.default_rng(8)
    for channels in (16, 40, 96):
        case = draw_case(rng, channels, (3, 3))
        usual = case.op.requant
        shifts = np.full(channels, shift, np.int64)
        multiplier = np.broadcast_to(usual.multiplier, (channels,))
        op = replace(case.op, requant=replace(usual, multiplier=multiplier, shift=shifts))
        bias = rng.integers(-(1 << 30), 1 << 30, channels).astype(np.int32)
        check(replace(case, op=op, bias=bias), isa)
