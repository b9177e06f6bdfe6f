"""U-Net (Ronneberger et al. 2015) with padded convolutions and batch norm."""

import torch
from torch import Tensor, nn

from tests.architectures.blocks import ConvNormActivation


class DoubleConv(nn.Sequential):
    """Two 3x3 convolutions."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__(
            ConvNormActivation(in_channels, channels), ConvNormActivation(channels, channels)
        )


class Down(nn.Sequential):
    """Halve the size, double the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__(nn.MaxPool2d(2), DoubleConv(channels, 2 * channels))


class Up(nn.Module):
    """Double the size, halve the channels, and join the skip connection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(channels, channels // 2, 2, stride=2)
        self.conv = DoubleConv(channels, channels // 2)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """(N, C, H, W), (N, C / 2, 2 H, 2 W) -> (N, C / 2, 2 H, 2 W)."""
        return self.conv(torch.cat([skip, self.up(x)], dim=1))


class UNet(nn.Module):
    """Four levels down and up again, from `width` channels to 16 * `width`."""

    def __init__(self, width: int = 64, in_channels: int = 3, num_classes: int = 2) -> None:
        super().__init__()
        self.inc = DoubleConv(in_channels, width)
        self.down1 = Down(width)
        self.down2 = Down(2 * width)
        self.down3 = Down(4 * width)
        self.down4 = Down(8 * width)
        self.up1 = Up(16 * width)
        self.up2 = Up(8 * width)
        self.up3 = Up(4 * width)
        self.up4 = Up(2 * width)
        self.outc = nn.Conv2d(width, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> logits (N, num_classes, H, W); 16 divides H and W."""
        x1 = self.inc(x)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        x4 = self.down3(x3)
        x = self.up1(self.down4(x4), x4)
        return self.outc(self.up4(self.up3(self.up2(x, x3), x2), x1))
