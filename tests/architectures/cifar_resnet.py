"""ResNet for 32x32 images (He et al. 2016, section 4.2), with option A shortcuts."""

from torch import Tensor, nn
from torch.nn import functional


class CifarBlock(nn.Module):
    """Two 3x3 convolutions; where the shape changes the shortcut subsamples and pads with zeros."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.new_channels = channels - in_channels

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) -> (N, channels, H / stride, W / stride)."""
        out = functional.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out)) + self._shortcut(x)
        return functional.relu(out)

    def _shortcut(self, x: Tensor) -> Tensor:
        if self.new_channels == 0:
            return x
        half = self.new_channels // 2
        return functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, half, half))


class CifarResNet(nn.Module):
    """Three stages of 16, 32 and 64 channels with `depth` blocks each; 6 * depth + 2 layers."""

    def __init__(self, depth: int = 3, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = _stage(16, 16, depth)
        self.layer2 = _stage(16, 32, depth)
        self.layer3 = _stage(32, 64, depth)
        self.linear = nn.Linear(64, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 32, 32) -> logits (N, num_classes)."""
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        x = functional.avg_pool2d(x, x.shape[3])
        return self.linear(x.view(x.shape[0], -1))


def _stage(in_channels: int, channels: int, depth: int) -> nn.Sequential:
    first = CifarBlock(in_channels, channels, stride=1 if in_channels == channels else 2)
    return nn.Sequential(first, *(CifarBlock(channels, channels, 1) for _ in range(depth - 1)))
