"""EfficientNet-B0 (Tan and Le 2019) without stochastic depth; module names as in torchvision."""

from torch import Tensor, nn

from tests.architectures.blocks import ConvNormActivation, SqueezeExcitation

# Expansion, kernel size, stride, input channels, output channels, repeats.
_STAGES = (
    (1, 3, 1, 32, 16, 1),
    (6, 3, 2, 16, 24, 2),
    (6, 5, 2, 24, 40, 2),
    (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3),
    (6, 5, 2, 112, 192, 4),
    (6, 3, 1, 192, 320, 1),
)


class MBConv(nn.Module):
    """Expansion, depthwise convolution, squeeze-excite and linear projection, with SiLU."""

    def __init__(
        self, in_channels: int, channels: int, *, expansion: int, kernel_size: int, stride: int
    ) -> None:
        super().__init__()
        hidden = in_channels * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers.append(ConvNormActivation(in_channels, hidden, 1, activation=nn.SiLU))
        layers += [
            ConvNormActivation(
                hidden, hidden, kernel_size, stride=stride, groups=hidden, activation=nn.SiLU
            ),
            SqueezeExcitation(hidden, max(1, in_channels // 4), nn.SiLU, nn.Sigmoid),
            ConvNormActivation(hidden, channels, 1, activation=None),
        ]
        self.block = nn.Sequential(*layers)
        self.use_res_connect = stride == 1 and in_channels == channels

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) -> (N, channels, H / stride, W / stride)."""
        result = self.block(x)
        if self.use_res_connect:
            result += x
        return result


class EfficientNetB0(nn.Module):
    """The base network of the family."""

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self.features = nn.Sequential(
            ConvNormActivation(3, 32, stride=2, activation=nn.SiLU),
            *(_stage(*row) for row in _STAGES),
            ConvNormActivation(320, 1280, 1, activation=nn.SiLU),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> logits (N, num_classes)."""
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _stage(
    expansion: int, kernel_size: int, stride: int, in_channels: int, channels: int, repeats: int
) -> nn.Sequential:
    first = MBConv(
        in_channels, channels, expansion=expansion, kernel_size=kernel_size, stride=stride
    )
    rest = (
        MBConv(channels, channels, expansion=expansion, kernel_size=kernel_size, stride=1)
        for _ in range(repeats - 1)
    )
    return nn.Sequential(first, *rest)
