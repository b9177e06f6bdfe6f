"""Every float operation computes what torch computes."""

from typing import get_args

import numpy as np
import pytest
import torch
from torch.nn import functional

from intact.exec import float_ops
from intact.ir import float_ops as ops


def draw(*shape: int) -> np.ndarray:
    seed = sum(shape) + len(shape)
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def check(op: ops.FloatOp, inputs: list[np.ndarray], expected: torch.Tensor) -> None:
    out = float_ops.apply(op, inputs, batch=2)
    assert out.shape == tuple(expected.shape)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, expected.numpy(), rtol=1e-5, atol=2e-6)


def tensors(*arrays: np.ndarray) -> list[torch.Tensor]:
    return [torch.from_numpy(a) for a in arrays]


def test_every_float_operation_has_a_function() -> None:
    known = {*float_ops._FUNCTIONS, ops.Reshape, ops.Expand}
    assert known == set(get_args(ops.BodyOp))


CONVOLUTIONS = {
    "plain": (6, 8, (3, 3), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    "pointwise": (6, 8, (1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    "pointwise strided": (6, 8, (1, 1), (2, 2), ((0, 0), (0, 0)), (1, 1), 1),
    "pointwise padded": (6, 8, (1, 1), (1, 1), ((1, 0), (0, 2)), (1, 1), 1),
    "asymmetric padding": (6, 8, (3, 2), (2, 1), ((0, 1), (2, 0)), (1, 1), 1),
    "dilated": (6, 8, (3, 3), (1, 2), ((2, 2), (1, 1)), (2, 3), 1),
    "grouped": (6, 9, (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 3),
    "depthwise": (6, 6, (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 6),
    "depthwise strided": (6, 6, (5, 3), (2, 2), ((2, 1), (1, 0)), (1, 2), 6),
    "depth multiplier": (6, 12, (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 6),
    "one axis": (6, 8, (3,), (2,), ((1, 2),), (2,), 2),
    "one axis depthwise": (6, 6, (3,), (1,), ((1, 1),), (1,), 6),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("with_bias", [False, True])
def test_conv(name: str, with_bias: bool) -> None:
    in_channels, out_channels, kernel, stride, padding, dilation, groups = CONVOLUTIONS[name]
    x = draw(3, in_channels, *(11, 12)[: len(kernel)])
    weight, bias = draw(out_channels, in_channels // groups, *kernel), draw(out_channels)
    inputs = [x, weight, bias] if with_bias else [x, weight]
    flat = [p for pair in reversed(padding) for p in pair]
    padded, *rest = tensors(*inputs)
    convolve = functional.conv2d if len(kernel) == 2 else functional.conv1d
    bias_ = rest[1] if with_bias else None
    expected = convolve(functional.pad(padded, flat), rest[0], bias_, stride, 0, dilation, groups)
    check(ops.Conv(stride, padding, dilation, groups), inputs, expected)


def test_conv_in_blocks_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intact.exec.float_convolution._COLUMNS", 1000)
    monkeypatch.setattr("intact.exec.float_convolution._BLOCK", 500)
    for name in CONVOLUTIONS:
        test_conv(name, with_bias=True)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "output_padding", "dilation", "groups"),
    [
        ((2, 2), (2, 2), 0, (0, 0), (1, 1), 1),
        ((3, 3), (2, 2), 1, (1, 1), (1, 1), 1),
        ((3, 3), (2, 1), 2, (1, 0), (2, 1), 3),
        ((4, 3), (3, 2), 1, (2, 1), (1, 1), 2),
    ],
)
def test_conv_transpose(kernel, stride, padding, output_padding, dilation, groups) -> None:
    x, weight, bias = draw(2, 6, 5, 4), draw(6, 12 // groups, *kernel), draw(12)
    op = ops.ConvTranspose(stride, ((padding, padding),) * 2, output_padding, dilation, groups)
    expected = functional.conv_transpose2d(
        *tensors(x, weight, bias), stride, padding, output_padding, groups, dilation
    )
    check(op, [x, weight, bias], expected)
    check(op, [x, weight], expected - torch.from_numpy(bias)[:, None, None])


def test_conv_transpose_with_asymmetric_padding_is_a_crop() -> None:
    x, weight = draw(2, 3, 5, 4), draw(3, 4, 3, 3)
    op = ops.ConvTranspose((2, 2), ((0, 1), (2, 0)), (0, 0), (1, 1))
    full = functional.conv_transpose2d(*tensors(x, weight), stride=2)
    check(op, [x, weight], full[:, :, :-1, 2:])


def test_linear_algebra() -> None:
    x, weight, bias = draw(2, 3, 5), draw(4, 5), draw(4)
    check(ops.Linear(), [x, weight, bias], functional.linear(*tensors(x, weight, bias)))
    check(ops.Linear(), [x, weight], functional.linear(*tensors(x, weight)))
    a, b = draw(2, 3, 4, 5), draw(1, 3, 5, 6)
    check(ops.MatMul(), [a, b], torch.matmul(*tensors(a, b)))
    indices = np.array([[0, 3], [2, 2]])
    expected = functional.embedding(torch.from_numpy(indices), torch.from_numpy(weight))
    check(ops.Embedding(), [indices, weight], expected)


@pytest.mark.parametrize("space", [(), (4,), (4, 3)])
def test_normalization(space: tuple[int, ...]) -> None:
    x, gamma, beta, mean = draw(2, 6, *space), draw(6), draw(6), draw(6)
    variance = np.abs(draw(6)) + 0.5
    expected = functional.batch_norm(*tensors(x, mean, variance, gamma, beta), eps=1e-3)
    check(ops.BatchNorm(1e-3), [x, gamma, beta, mean, variance], expected)
    if space:
        expected = functional.group_norm(torch.from_numpy(x), 3, *tensors(gamma, beta), eps=1e-3)
        check(ops.GroupNorm(3, 1e-3), [x, gamma, beta], expected)
    shape = x.shape[1:]
    gain, offset = draw(*shape), draw(*shape) + 1
    expected = functional.layer_norm(torch.from_numpy(x), shape, *tensors(gain, offset), eps=1e-3)
    check(ops.LayerNorm(len(shape), 1e-3), [x, gain, offset], expected)


def test_arithmetic_broadcasts() -> None:
    a, b = draw(2, 3, 4), draw(3, 1)
    ta, tb = tensors(a, b)
    check(ops.Add(), [a, b], ta + tb)
    check(ops.Sub(), [a, b], ta - tb)
    check(ops.Mul(), [a, b], ta * tb)
    check(ops.Concat(1), [a, a[:, :1]], torch.cat([ta, ta[:, :1]], 1))


ACTIVATIONS = {
    "relu": (ops.Relu(), functional.relu),
    "relu6": (ops.Clamp(0.0, 6.0), functional.relu6),
    "at least": (ops.Clamp(-1.0, None), lambda x: x.clamp(min=-1)),
    "at most": (ops.Clamp(None, 1.0), lambda x: x.clamp(max=1)),
    "leaky_relu": (ops.LeakyRelu(0.1), lambda x: functional.leaky_relu(x, 0.1)),
    "hardsigmoid": (ops.HardSigmoid(), functional.hardsigmoid),
    "hardswish": (ops.HardSwish(), functional.hardswish),
    "sigmoid": (ops.Sigmoid(), torch.sigmoid),
    "tanh": (ops.Tanh(), torch.tanh),
    "silu": (ops.Silu(), functional.silu),
    "gelu": (ops.Gelu(), functional.gelu),
    "gelu tanh": (ops.Gelu(tanh=True), lambda x: functional.gelu(x, approximate="tanh")),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: str) -> None:
    op, oracle = ACTIVATIONS[name]
    x = np.concatenate([draw(300) * 4, [0, -200, 200, 1e4, -1e4]]).astype(np.float32)
    check(op, [x], oracle(torch.from_numpy(x)))


@pytest.mark.parametrize("slopes", [1, 3])
def test_prelu(slopes: int) -> None:
    x, slope = draw(2, 3, 4, 5), draw(slopes)
    check(ops.Prelu(), [x, slope], functional.prelu(*tensors(x, slope)))


def test_channel_clamp() -> None:
    x = np.array([[[-9, 0.5], [-9, 9], [-9, 9], [5, 9]]], np.float32)
    low, high = (
        np.array(bounds, np.float32)
        for bounds in ([0, -np.inf, -1, -np.inf], [6, 2, np.inf, np.inf])
    )
    expected = torch.tensor([[[0, 0.5], [-9, 2], [-1, 9], [5, 9]]])
    check(ops.ChannelClamp(), [x, low, high], expected)


def test_softmax() -> None:
    x = draw(2, 3, 4) * 50
    for axis in range(3):
        check(ops.Softmax(axis), [x], torch.softmax(torch.from_numpy(x), axis))


def test_max_pool() -> None:
    x = draw(2, 3, 9, 8) - 5
    op = ops.MaxPool((3, 2), (2, 1), ((1, 1), (1, 1)), (2, 1))
    expected = functional.max_pool2d(torch.from_numpy(x), (3, 2), (2, 1), (1, 1), (2, 1))
    check(op, [x], expected)
    op1 = ops.MaxPool((3,), (2,), ((1, 1),), (1,))
    check(op1, [x[0]], functional.max_pool1d(torch.from_numpy(x[0]), 3, 2, 1))


@pytest.mark.parametrize("count_include_pad", [False, True])
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize(
    ("size", "stride", "padding"), [(9, 2, 1), (8, 2, 1), (8, 3, 0), (7, 4, 1)]
)
def test_avg_pool(
    count_include_pad: bool, ceil_mode: bool, size: int, stride: int, padding: int
) -> None:
    x = draw(2, 3, size, size)
    expected = functional.avg_pool2d(
        torch.from_numpy(x), 3, stride, padding, ceil_mode, count_include_pad
    )
    out = expected.shape[-1]
    overhang = max(0, (out - 1) * stride + 3 - size - 2 * padding)
    pads = ((padding, padding),) * 2
    op = ops.AvgPool((3, 3), (stride,) * 2, pads, count_include_pad, (overhang,) * 2)
    check(op, [x], expected)


def test_adaptive_avg_pool_and_mean() -> None:
    x = draw(2, 3, 7, 5)
    for size in ((1, 1), (3, 2), (7, 5), (8, 9)):
        expected = functional.adaptive_avg_pool2d(torch.from_numpy(x), size)
        check(ops.AdaptiveAvgPool(size), [x], expected)
    check(ops.Mean((2, 3), keepdims=False), [x], torch.from_numpy(x).mean((2, 3)))
    check(ops.Mean((1,), keepdims=True), [x], torch.from_numpy(x).mean(1, keepdim=True))


@pytest.mark.parametrize("size", [(14, 10), (3, 9), (1, 1), (7, 5), (20, 4)])
def test_resize(size: tuple[int, int]) -> None:
    x = draw(2, 3, 7, 5)
    image = torch.from_numpy(x)
    check(ops.ResizeNearest(size), [x], functional.interpolate(image, size, mode="nearest"))
    for align in (False, True):
        expected = functional.interpolate(image, size, mode="bilinear", align_corners=align)
        check(ops.ResizeBilinear(size, align), [x], expected)


@pytest.mark.parametrize("mode", ops.PadMode)
def test_pad(mode: ops.PadMode) -> None:
    x = draw(2, 3, 7, 5)
    op = ops.Pad(((0, 0), (0, 0), (1, 2), (3, 0)), mode, 1.5)
    value = 1.5 if mode is ops.PadMode.CONSTANT else None
    check(op, [x], functional.pad(torch.from_numpy(x), (3, 0, 1, 2), mode.value, value))


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.float32, np.uint8])
def test_movements_take_any_dtype(dtype: type) -> None:
    x = np.arange(24).reshape(2, 3, 4).astype(dtype)
    t = torch.from_numpy(x)
    cases: list[tuple[ops.FloatOp, torch.Tensor]] = [
        (ops.Reshape((-1, 12)), t.reshape(2, 12)),
        (ops.Reshape((-3, 4)), t.reshape(6, 4)),
        (ops.Permute((2, 0, 1)), t.permute(2, 0, 1)),
        (ops.Slice(2, 1, 4, 2), t[:, :, 1:4:2]),
        (ops.Pad(((0, 0), (1, 0), (0, 1)), value=7.0), functional.pad(t, (0, 1, 1, 0), value=7)),
        (ops.Concat(2), torch.cat([t], 2)),
        (ops.Dropout(0.5), t),
    ]
    for op, expected in cases:
        out = float_ops.apply(op, [x], batch=2)
        assert out.dtype == dtype
        np.testing.assert_array_equal(out, expected.numpy())
    out = float_ops.apply(ops.Expand((-1, 3, 4)), [x[:1]], batch=2)
    np.testing.assert_array_equal(out, t[:1].expand(2, 3, 4).numpy())
