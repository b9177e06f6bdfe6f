"""Blocks that several of the networks share; names as in torchvision."""

from collections.abc import Callable

from torch import Tensor, nn


def make_divisible(channels: float, divisor: int = 8) -> int:
    """Round to a multiple of `divisor` that is at least 90 % of `channels` (MobileNetV2's code)."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded if rounded >= 0.9 * channels else rounded + divisor


class ConvNormActivation(nn.Sequential):
    """Convolution `0` without bias, batch norm `1` and, unless None, activation `2`.

    The padding keeps the size at stride 1, for any dilation.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        norm: Callable[[int], nn.Module] = nn.BatchNorm2d,
        activation: Callable[[], nn.Module] | None = nn.ReLU,
    ) -> None:
        conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=(kernel_size - 1) // 2 * dilation,
            dilation=dilation,
            groups=groups,
            bias=False,
        )
        activations = [] if activation is None else [activation()]
        super().__init__(conv, norm(out_channels), *activations)


class SqueezeExcitation(nn.Module):
    """x * gate(fc2(act(fc1(mean(x))))), one gate for each channel (Hu et al. 2018)."""

    def __init__(
        self,
        channels: int,
        squeeze_channels: int,
        activation: Callable[[], nn.Module],
        gate: Callable[[], nn.Module],
    ) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeeze_channels, 1)
        self.fc2 = nn.Conv2d(squeeze_channels, channels, 1)
        self.activation = activation()
        self.scale_activation = gate()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        scale = self.fc2(self.activation(self.fc1(self.avgpool(x))))
        return x * self.scale_activation(scale)
