"""3x3 convolutions by minimal filtering equal the reference, at every level of instructions."""

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
MAKERS = {2: native.winograd2_conv2d_s8, 4: native.winograd4_conv2d_s8}
CHANNELS = (1, 3, 8, 15, 16, 17, 31, 32, 33, 48, 64, 65, 80, 130)
INT8, UINT8 = Int(8), Int(8, signed=False)
BYTES = (INT8, UINT8)

each_level = pytest.mark.parametrize("isa", LEVELS, ids=lambda isa: isa.name)
each_tile = pytest.mark.parametrize("outputs", MAKERS, ids=lambda outputs: f"tile{outputs}")


def check(case: Case, outputs: int, isa: native.Isa, threads: tuple[int, ...] = (1,)) -> None:
    made = case.build(MAKERS[outputs], isa)
    assert made is not None
    assert made.kernel == f"conv2d winograd{outputs}_{isa.name}"
    case.check(made, threads)


def draw_case(
    rng: np.random.Generator, size: tuple[int, int, int], depth: int, channels: int
) -> Case:
    source, output = (BYTES[int(i)] for i in rng.integers(0, 2, 2))
    images, *area = size
    padding = rng.integers(0, 3, (2, 2))
    padding[:, 1] = np.maximum(padding[:, 1], 3 - padding[:, 0] - area)
    weight = draw_codes(rng, (channels, 3, 3, depth), INT8)
    ends = [source.qmin, source.qmax, rng.integers(source.qmin, source.qmax)]
    op = int_ops.QConv2d(
        stride=(1, 1),
        padding=tuple((int(a), int(b)) for a, b in padding),
        dilation=(1, 1),
        groups=1,
        input_zero_point=int(rng.choice(ends)),
        weight_zero_point=None,
        requant=fitting(rng, weight, output),
    )
    bias = rng.integers(-100_000, 100_000, channels).astype(np.int32)
    return Case(op, draw_codes(rng, (images, *area, depth), source), weight, bias, source, output)


@each_level
@each_tile
@pytest.mark.parametrize("depth", CHANNELS)
def test_any_number_of_channels_is_exact(depth: int, outputs: int, isa: native.Isa) -> None:
    rng = np.random.default_rng(depth)
    for channels in CHANNELS:
        size = tuple(int(n) for n in rng.integers(1, [3, 10, 10]))
        check(draw_case(rng, size, depth, channels), outputs, isa)


@each_level
@each_tile
def test_any_size_of_image_is_exact(outputs: int, isa: native.Isa) -> None:
    rng = np.random.default_rng(1)
    for height, width in product((1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 17), repeat=2):
        check(draw_case(rng, (1, height, width), 20, 24), outputs, isa)


@each_level
@each_tile
@pytest.mark.parametrize("size", [(1, 13, 19), (1, 40, 37), (3, 28, 30)], ids=str)
@pytest.mark.parametrize("channels", [16, 150])
def test_threads_and_blocks_change_nothing(
    channels: int, size: tuple[int, int, int], outputs: int, isa: native.Isa
) -> None:
    rng = np.random.default_rng(2)
    check(draw_case(rng, size, 36, channels), outputs, isa, threads=(1, 2, 5))


@each_level
@each_tile
@given(seeds, st.sampled_from(CHANNELS), st.sampled_from(CHANNELS), st.sampled_from([1, 3]))
@settings(max_examples=150)
def test_any_requant_is_exact(
    isa: native.Isa, outputs: int, seed: int, depth: int, channels: int, threads: int
) -> None:
    rng = np.random.default_rng(seed)
    size = tuple(int(n) for n in rng.integers(1, [3, 12, 12]))
    case = draw_case(rng, size, depth, channels)
    largest = 255 * int(np.abs(case.weight.astype(int)).sum(axis=(1, 2, 3)).max())
    room = (1 << 31) - 2 - largest
    bias = rng.integers(-room, room, channels) if rng.random() < 0.3 else case.bias
    drawn = draw_requant(rng, channels, case.output, largest, wide=False)
    op = replace(case.op, requant=drawn)
    check(replace(case, op=op, bias=bias.astype(np.int32)), outputs, isa, (threads,))


@each_level
@each_tile
@pytest.mark.parametrize("source", BYTES, ids=["int8", "uint8"])
def test_the_largest_sums_are_exact(source: Int, outputs: int, isa: native.Isa) -> None:
    rng = np.random.default_rng(3)
    depth = 228  # 255 * 128 * 9 * 228 is just below 2^26
    drawn = draw_case(rng, (1, 6, 6), depth, 16)
    signs = rng.choice([-128, 127], drawn.weight.shape)
    for weight, zero_point in product((-128, 127, signs), (source.qmin, 3, source.qmax)):
        taps = np.broadcast_to(weight, drawn.weight.shape).astype(np.int8)
        # Codes that meet the signs of one channel's weights give its largest and smallest sums.
        meeting = np.where(taps[5, 1, 1] > 0, source.qmax, source.qmin)
        for codes in (meeting, source.qmax + source.qmin - meeting, rng.choice(meeting, depth)):
            op = replace(
                drawn.op,
                input_zero_point=zero_point,
                padding=((1, 1), (1, 1)),
                requant=fitting(rng, taps, drawn.output),
            )
            x = np.broadcast_to(codes, drawn.x.shape).astype(source.storage)
            check(replace(drawn, op=op, x=x, weight=taps, source=source), outputs, isa)


@each_level
def test_sums_beyond_its_range_are_declined(isa: native.Isa) -> None:
    rng = np.random.default_rng(4)
    drawn = draw_case(rng, (1, 8, 8), 229, 16)
    case = replace(drawn, weight=np.full_like(drawn.weight, -128))
    assert case.build(native.winograd4_conv2d_s8, isa) is None
    check(case, 2, isa)
    made = case.build(native.conv2d_s8, isa)
    assert made is not None
    case.check(made)


@each_level
@each_tile
def test_other_convolutions_are_declined(outputs: int, isa: native.Isa) -> None:
    rng = np.random.default_rng(5)
    case = draw_case(rng, (1, 12, 12), 32, 32)
    others = [{"stride": (2, 2)}, {"stride": (1, 2)}, {"dilation": (2, 1)}]
    for other in others:
        assert replace(case, op=replace(case.op, **other)).build(MAKERS[outputs], isa) is None
    wide = replace(case.op, requant=replace(case.op.requant, accumulator_bits=64))
    assert replace(case, op=wide).build(MAKERS[outputs], isa) is None
    weight = np.zeros((32, 1, 3, 32), np.int8)
    assert replace(case, weight=weight).build(MAKERS[outputs], isa) is None


@pytest.mark.skipif(not LEVELS, reason="needs vector instructions")
@pytest.mark.parametrize(
    ("size", "channels", "chosen"),
    [
        ((1, 56, 56), 64, True),
        ((1, 8, 8), 64, True),
        ((1, 1, 1), 64, False),
        ((1, 3, 3), 16, False),
    ],
    ids=str,
)
def test_it_is_chosen_where_it_is_faster(
    size: tuple[int, int, int], channels: int, chosen: bool
) -> None:
    rng = np.random.default_rng(6)
    drawn = draw_case(rng, size, channels, channels)
    case = replace(drawn, op=replace(drawn.op, padding=((1, 1), (1, 1))))
    for isa in LEVELS:
        made = case.build(native.conv2d_s8, isa)
        assert made is not None
        assert ("winograd" in made.kernel) == chosen


@each_level
@each_tile
def test_tensors_may_start_anywhere(outputs: int, isa: native.Isa) -> None:
    rng = np.random.default_rng(7)
    for channels in (8, 32, 96):
        case = draw_case(rng, (1, 9, 9), channels, channels)
        storage = np.zeros(case.x.size + 1, case.x.dtype)[1:].reshape(case.x.shape)
        storage[...] = case.x
        check(replace(case, x=storage), outputs, isa)
