"""MobileNetV2 (Sandler et al. 2018); module names as in torchvision."""

from torch import Tensor, nn
from torch.nn import functional

from tests.architectures.blocks import ConvNormActivation, make_divisible

# Expansion t, output channels c, repeats n, stride s: the paper's table 2.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class InvertedResidual(nn.Module):
    """1x1 expansion, 3x3 depthwise, linear 1x1 projection; adds x where the shapes agree."""

    def __init__(
        self, in_channels: int, channels: int, *, stride: int, expansion: int, dilation: int = 1
    ) -> None:
        super().__init__()
        hidden = in_channels * expansion
        expand = [ConvNormActivation(in_channels, hidden, 1, activation=nn.ReLU6)]
        depthwise = ConvNormActivation(
            hidden, hidden, stride=stride, dilation=dilation, groups=hidden, activation=nn.ReLU6
        )
        self.conv = nn.Sequential(
            *(expand if expansion != 1 else []),
            depthwise,
            nn.Conv2d(hidden, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.use_res_connect = stride == 1 and in_channels == channels

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) -> (N, channels, H / stride, W / stride)."""
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    """The standard classifier; `width` multiplies the numbers of channels."""

    def __init__(self, width: float = 1.0, num_classes: int = 1000) -> None:
        super().__init__()
        channels = make_divisible(32 * width)
        last = make_divisible(1280 * max(1.0, width))
        layers: list[nn.Module] = [ConvNormActivation(3, channels, stride=2, activation=nn.ReLU6)]
        for expansion, out, repeats, first_stride in STAGES:
            out_channels = make_divisible(out * width)
            for stride in (first_stride, *(1,) * (repeats - 1)):
                layers.append(
                    InvertedResidual(channels, out_channels, stride=stride, expansion=expansion)
                )
                channels = out_channels
        layers.append(ConvNormActivation(channels, last, 1, activation=nn.ReLU6))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(last, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> logits (N, num_classes)."""
        x = self.features(x)
        x = functional.adaptive_avg_pool2d(x, (1, 1))
        return self.classifier(x.flatten(1))
