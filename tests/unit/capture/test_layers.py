"""Each layer of torch.nn alone: captured, run at another batch size, equal to the original."""

import pytest
import torch
from torch import nn

from intact.capture.export import capture
from intact.capture.module import from_graph
from tests.unit.capture.checks import assert_captured, assert_same, kinds, randomize

CASES = [
    ("conv2d", nn.Conv2d(3, 5, 3), (3, 9, 8), ["Conv"]),
    ("conv2d-all", nn.Conv2d(4, 6, (3, 2), (2, 3), (1, 2), (2, 1), 2), (4, 11, 9), ["Conv"]),
    ("conv2d-no-bias", nn.Conv2d(3, 5, 1, bias=False), (3, 4, 4), ["Conv"]),
    ("conv2d-depthwise", nn.Conv2d(4, 8, 3, padding=1, groups=4), (4, 6, 6), ["Conv"]),
    ("conv2d-same", nn.Conv2d(3, 5, (4, 3), padding="same"), (3, 9, 8), ["Conv"]),
    ("conv2d-same-dilated", nn.Conv2d(3, 5, 2, padding="same", dilation=3), (3, 9, 8), ["Conv"]),
    ("conv2d-valid", nn.Conv2d(3, 5, 3, padding="valid", stride=2), (3, 9, 8), ["Conv"]),
    (
        "conv2d-reflect",
        nn.Conv2d(3, 5, 3, padding=(1, 2), padding_mode="reflect"),
        (3, 6, 6),
        ["Pad", "Conv"],
    ),
    (
        "conv2d-replicate",
        nn.Conv2d(3, 5, 3, padding=2, padding_mode="replicate"),
        (3, 6, 6),
        ["Pad", "Conv"],
    ),
    (
        "conv2d-circular",
        nn.Conv2d(3, 5, 3, padding=1, padding_mode="circular"),
        (3, 6, 6),
        ["Pad", "Conv"],
    ),
    ("conv1d", nn.Conv1d(3, 5, 4, stride=2, padding=1), (3, 11), ["Conv"]),
    ("conv1d-same", nn.Conv1d(4, 4, 4, padding="same", groups=2), (4, 11), ["Conv"]),
    (
        "conv1d-circular",
        nn.Conv1d(3, 5, 3, padding=1, padding_mode="circular"),
        (3, 8),
        ["Pad", "Conv"],
    ),
    ("conv_transpose2d", nn.ConvTranspose2d(3, 5, 3), (3, 5, 4), ["ConvTranspose"]),
    (
        "conv_transpose2d-all",
        nn.ConvTranspose2d(4, 6, (3, 2), (2, 3), (1, 0), (1, 2), 2, False, (2, 1)),
        (4, 5, 6),
        ["ConvTranspose"],
    ),
    ("linear", nn.Linear(6, 4), (6,), ["Linear"]),
    ("linear-3d", nn.Linear(6, 4, bias=False), (5, 6), ["Linear"]),
    ("batch_norm1d", nn.BatchNorm1d(5), (5,), ["BatchNorm"]),
    ("batch_norm1d-sequence", nn.BatchNorm1d(5, eps=0.1), (5, 7), ["BatchNorm"]),
    ("batch_norm2d", nn.BatchNorm2d(5, momentum=0.3), (5, 3, 2), ["BatchNorm"]),
    ("batch_norm2d-plain", nn.BatchNorm2d(5, affine=False), (5, 3, 2), ["BatchNorm"]),
    ("layer_norm", nn.LayerNorm(6), (4, 6), ["LayerNorm"]),
    ("layer_norm-2-axes", nn.LayerNorm((4, 6), eps=0.1), (3, 4, 6), ["LayerNorm"]),
    ("layer_norm-no-bias", nn.LayerNorm(6, bias=False), (4, 6), ["LayerNorm"]),
    ("layer_norm-plain", nn.LayerNorm(6, elementwise_affine=False), (4, 6), ["LayerNorm"]),
    ("group_norm", nn.GroupNorm(2, 6), (6, 3, 4), ["GroupNorm"]),
    ("instance_norm", nn.InstanceNorm2d(6, affine=True), (6, 3, 4), ["GroupNorm"]),
    (
        "instance_norm-statistics",
        nn.InstanceNorm2d(6, affine=True, track_running_stats=True),
        (6, 3, 4),
        ["BatchNorm"],
    ),
    ("relu", nn.ReLU(), (5,), ["Relu"]),
    ("relu-inplace", nn.ReLU(inplace=True), (5,), ["Relu"]),
    ("relu6", nn.ReLU6(), (5,), ["Clamp"]),
    ("relu6-inplace", nn.ReLU6(inplace=True), (5,), ["Clamp"]),
    ("hardtanh", nn.Hardtanh(-0.5, 0.7), (5,), ["Clamp"]),
    ("leaky_relu", nn.LeakyReLU(0.2), (5,), ["LeakyRelu"]),
    ("prelu", nn.PReLU(), (5, 3), ["Prelu"]),
    ("prelu-channels", nn.PReLU(5), (5, 3, 2), ["Prelu"]),
    ("hardswish", nn.Hardswish(), (50,), ["HardSwish"]),
    ("hardsigmoid", nn.Hardsigmoid(), (50,), ["HardSigmoid"]),
    ("silu", nn.SiLU(inplace=True), (5,), ["Silu"]),
    ("gelu", nn.GELU(), (50,), ["Gelu"]),
    ("gelu-tanh", nn.GELU("tanh"), (50,), ["Gelu"]),
    ("sigmoid", nn.Sigmoid(), (5,), ["Sigmoid"]),
    ("tanh", nn.Tanh(), (5,), ["Tanh"]),
    ("glu", nn.GLU(1), (6, 3), ["Slice", "Slice", "Sigmoid", "Mul"]),
    ("softmax", nn.Softmax(-1), (4, 5), ["Softmax"]),
    ("softmax-channels", nn.Softmax2d(), (4, 5, 3), ["Softmax"]),
    ("dropout", nn.Dropout(0.4), (5,), ["Dropout"]),
    ("dropout2d", nn.Dropout2d(0.4), (5, 3, 3), ["Dropout"]),
    ("identity", nn.Sequential(nn.Identity(), nn.ReLU(), nn.Identity()), (5,), ["Relu"]),
    ("zero_pad", nn.ZeroPad2d((1, 2, 0, 3)), (2, 4, 4), ["Pad"]),
    ("zero_pad-negative", nn.ZeroPad2d((-1, 2, 0, -1)), (2, 4, 4), ["Slice", "Slice", "Pad"]),
    ("constant_pad", nn.ConstantPad1d((1, 2), 3.5), (2, 4), ["Pad"]),
    ("reflection_pad", nn.ReflectionPad2d((1, 2, 3, 0)), (2, 4, 4), ["Pad"]),
    ("replication_pad", nn.ReplicationPad1d((1, 2)), (2, 4), ["Pad"]),
    ("circular_pad", nn.CircularPad2d((1, 2, 3, 0)), (2, 4, 4), ["Pad"]),
    ("upsample-nearest", nn.Upsample(scale_factor=2), (2, 3, 4), ["ResizeNearest"]),
    ("upsample-nearest-1d", nn.Upsample(size=9), (2, 4), ["ResizeNearest"]),
    (
        "upsample-bilinear",
        nn.Upsample(scale_factor=(2, 3), mode="bilinear"),
        (2, 3, 4),
        ["ResizeBilinear"],
    ),
    (
        "upsample-bilinear-aligned",
        nn.Upsample(size=(7, 5), mode="bilinear", align_corners=True),
        (2, 3, 4),
        ["ResizeBilinear"],
    ),
    ("pixel_shuffle", nn.PixelShuffle(2), (8, 3, 4), ["Reshape", "Permute", "Reshape"]),
    ("pixel_unshuffle", nn.PixelUnshuffle(2), (2, 4, 6), ["Reshape", "Permute", "Reshape"]),
    ("channel_shuffle", nn.ChannelShuffle(2), (6, 3, 4), ["Reshape", "Permute", "Reshape"]),
    ("flatten", nn.Flatten(), (2, 3, 4), ["Reshape"]),
    ("unflatten", nn.Unflatten(1, (2, 3)), (6, 4), ["Reshape"]),
]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
@pytest.mark.parametrize(
    ("model", "shape", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_layer_computes_the_same(
    model: nn.Module, shape: tuple[int, ...], expected: list[str]
) -> None:
    assert kinds(assert_captured(randomize(model), shape)) == expected


@pytest.mark.parametrize("size", [5, 6, 7, 8, 11])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("ceil_mode", [False, True], ids=["floor", "ceil"])
@pytest.mark.parametrize(
    "kind",
    [
        "max",
        "max-dilated",
        "avg",
        "avg-inner",
        "max1d",
        "avg1d",
    ],
)
def test_pooling_of_every_size_computes_the_same(
    kind: str, ceil_mode: bool, padding: int, stride: int, size: int
) -> None:
    """Including ceil modes whose last window starts in the padding, and is dropped."""
    k, s, p = (2, 3), (stride, 2), (padding, 1)
    model: nn.Module
    match kind:
        case "max":
            model = nn.MaxPool2d(k, s, p, ceil_mode=ceil_mode)
        case "max-dilated":
            model = nn.MaxPool2d(k, s, p, dilation=(2, 1), ceil_mode=ceil_mode)
        case "avg":
            model = nn.AvgPool2d(k, s, p, ceil_mode)
        case "avg-inner":
            model = nn.AvgPool2d(k, s, p, ceil_mode, count_include_pad=False)
        case "max1d":
            model = nn.MaxPool1d(2, stride, padding, ceil_mode=ceil_mode)
        case _:
            model = nn.AvgPool1d(2, stride, padding, ceil_mode)
    shape = (2, size) if kind.endswith("1d") else (2, size, size + 1)
    graph = assert_captured(model, shape)
    assert kinds(graph) == ["MaxPool" if kind.startswith("max") else "AvgPool"]


@pytest.mark.parametrize(
    ("model", "shape", "expected"),
    [
        (nn.AdaptiveAvgPool2d(1), (2, 5, 4), ["Mean"]),
        (nn.AdaptiveAvgPool2d((3, None)), (2, 5, 4), ["AdaptiveAvgPool"]),
        (nn.AdaptiveAvgPool2d(4), (2, 4, 4), []),
        (nn.AdaptiveAvgPool1d(3), (2, 7), ["AdaptiveAvgPool"]),
        (nn.AdaptiveAvgPool1d(1), (2, 7), ["Mean"]),
        (nn.AdaptiveMaxPool2d((2, 1)), (2, 4, 3), ["MaxPool"]),
        (nn.AdaptiveMaxPool1d(1), (2, 4), ["MaxPool"]),
    ],
    ids=["mean", "one-axis", "same", "1d", "1d-mean", "max", "max-1d"],
)
def test_adaptive_pooling_computes_the_same(
    model: nn.Module, shape: tuple[int, ...], expected: list[str]
) -> None:
    graph = assert_captured(nn.Sequential(nn.ReLU(), model), shape)
    assert kinds(graph) == ["Relu", *expected]


def test_embedding_of_an_input_and_of_constants() -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.places = nn.Embedding(11, 4), nn.Embedding(9, 4)
            self.types = nn.Embedding(2, 4)

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            places = self.places(torch.arange(tokens.shape[1]))
            return self.words(tokens) + places + self.types(torch.ones_like(tokens))

    model = Tokens().eval()
    graph = capture(model, torch.zeros(1, 5, dtype=torch.int64))
    assert kinds(graph) == ["Embedding", "Add", "Add"]
    assert {"words.weight", "places", "types"} == set(graph.constants)
    tokens = torch.arange(15).reshape(3, 5) % 11
    assert_same(from_graph(graph).eval()(tokens), model(tokens))
