"""MobileNetV1 (Howard et al. 2017) with TensorFlow's paddings."""

from torch import Tensor, nn
from torch.nn import functional

# Output channels at width 1 and stride of each depthwise separable block.
_BLOCKS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *((512, 1),) * 5,
    (1024, 2),
    (1024, 1),
)


def _pad_for(x: Tensor, stride: int) -> Tensor:
    """At stride 2, pad right and bottom by one: TensorFlow's "same" for even sizes."""
    return functional.pad(x, (0, 1, 0, 1)) if stride == 2 else x


class Stem(nn.Module):
    """3x3 convolution with stride 2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, channels, 3, stride=2, bias=False)
        self.bn = nn.BatchNorm2d(channels, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, channels, H / 2, W / 2)."""
        return functional.relu6(self.bn(self.conv(_pad_for(x, 2))))


class SeparableBlock(nn.Module):
    """3x3 depthwise, then 1x1 convolution, each with batch norm and ReLU6."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.depthwise = nn.Conv2d(
            in_channels,
            in_channels,
            3,
            stride=stride,
            padding=0 if stride == 2 else 1,
            groups=in_channels,
            bias=False,
        )
        self.depthwise_bn = nn.BatchNorm2d(in_channels, eps=1e-3)
        self.pointwise = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.pointwise_bn = nn.BatchNorm2d(channels, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) -> (N, channels, H / stride, W / stride)."""
        x = self.depthwise(_pad_for(x, self.stride))
        x = functional.relu6(self.depthwise_bn(x))
        return functional.relu6(self.pointwise_bn(self.pointwise(x)))


class MobileNetV1(nn.Module):
    """Thirteen separable blocks; `width` multiplies every number of channels."""

    def __init__(self, width: float = 1.0, num_classes: int = 1000) -> None:
        super().__init__()
        channels = [int(32 * width), *(int(out * width) for out, _ in _BLOCKS)]
        strides = [stride for _, stride in _BLOCKS]
        self.stem = Stem(channels[0])
        self.blocks = nn.Sequential(*map(SeparableBlock, channels[:-1], channels[1:], strides))
        self.classifier = nn.Linear(channels[-1], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> logits (N, num_classes)."""
        x = self.blocks(self.stem(x))
        return self.classifier(x.mean((2, 3)))
