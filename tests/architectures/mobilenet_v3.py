"""MobileNetV3-Small (Howard et al. 2019); module names as in torchvision."""

from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from tests.architectures.blocks import ConvNormActivation, SqueezeExcitation, make_divisible

_BatchNorm = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)
_ConvNorm = partial(ConvNormActivation, norm=_BatchNorm)


@dataclass(frozen=True)
class Bneck:
    """One row of the paper's table 2."""

    in_channels: int
    kernel_size: int
    expanded: int
    channels: int
    squeeze: bool
    activation: type[nn.Module]
    stride: int


_BNECKS = (
    Bneck(16, 3, 16, 16, True, nn.ReLU, 2),
    Bneck(16, 3, 72, 24, False, nn.ReLU, 2),
    Bneck(24, 3, 88, 24, False, nn.ReLU, 1),
    Bneck(24, 5, 96, 40, True, nn.Hardswish, 2),
    Bneck(40, 5, 240, 40, True, nn.Hardswish, 1),
    Bneck(40, 5, 240, 40, True, nn.Hardswish, 1),
    Bneck(40, 5, 120, 48, True, nn.Hardswish, 1),
    Bneck(48, 5, 144, 48, True, nn.Hardswish, 1),
    Bneck(48, 5, 288, 96, True, nn.Hardswish, 2),
    Bneck(96, 5, 576, 96, True, nn.Hardswish, 1),
    Bneck(96, 5, 576, 96, True, nn.Hardswish, 1),
)


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution, squeeze-excite and linear projection."""

    def __init__(self, row: Bneck) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        if row.expanded != row.in_channels:
            layers.append(_ConvNorm(row.in_channels, row.expanded, 1, activation=row.activation))
        layers.append(
            _ConvNorm(
                row.expanded,
                row.expanded,
                row.kernel_size,
                stride=row.stride,
                groups=row.expanded,
                activation=row.activation,
            )
        )
        if row.squeeze:
            squeezed = make_divisible(row.expanded / 4)
            layers.append(SqueezeExcitation(row.expanded, squeezed, nn.ReLU, nn.Hardsigmoid))
        layers.append(_ConvNorm(row.expanded, row.channels, 1, activation=None))
        self.block = nn.Sequential(*layers)
        self.use_res_connect = row.stride == 1 and row.in_channels == row.channels

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) -> (N, channels, H / stride, W / stride)."""
        result = self.block(x)
        if self.use_res_connect:
            result += x
        return result


class MobileNetV3Small(nn.Module):
    """The small variant at width 1."""

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        last = _BNECKS[-1].channels
        self.features = nn.Sequential(
            _ConvNorm(3, 16, stride=2, activation=nn.Hardswish),
            *(InvertedResidual(row) for row in _BNECKS),
            _ConvNorm(last, 6 * last, 1, activation=nn.Hardswish),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(6 * last, 1024), nn.Hardswish(), nn.Dropout(0.2), nn.Linear(1024, num_classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> logits (N, num_classes)."""
        return self.classifier(self.avgpool(self.features(x)).flatten(1))
