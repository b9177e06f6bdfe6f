"""A small depthwise separable network for 8x8 digits: 11,002 parameters."""

from torch import Tensor, nn
from torch.nn import functional


class Separable(nn.Module):
    """3x3 depthwise and 1x1 convolution, each with batch norm and ReLU6."""

    def __init__(self, in_channels: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(
            in_channels, in_channels, 3, stride, padding=1, groups=in_channels, bias=False
        )
        self.depthwise_bn = nn.BatchNorm2d(in_channels)
        self.pointwise = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.pointwise_bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) -> (N, channels, H / stride, W / stride)."""
        x = functional.relu6(self.depthwise_bn(self.depthwise(x)))
        return functional.relu6(self.pointwise_bn(self.pointwise(x)))


class DigitsNet(nn.Module):
    """Stem, three separable blocks (a residual around the middle one), pooling, classifier."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 24, 3, padding=1, bias=False)
        self.stem_bn = nn.BatchNorm2d(24)
        self.block1 = Separable(24, 48)
        self.block2 = Separable(48, 48)
        self.block3 = Separable(48, 96, stride=2)
        self.classifier = nn.Linear(96, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, 8, 8) -> logits (N, num_classes)."""
        x = functional.relu6(self.stem_bn(self.stem(x)))
        x = self.block1(x)
        x = x + self.block2(x)
        x = self.block3(x)
        return self.classifier(x.mean((2, 3)))
