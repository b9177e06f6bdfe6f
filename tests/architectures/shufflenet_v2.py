"""ShuffleNetV2 x0.5 (Ma et al. 2018); module names as in torchvision."""

import torch
from torch import Tensor, nn

from tests.architectures.blocks import ConvNormActivation

_STAGES = ((48, 4), (96, 8), (192, 4))


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """Interleave equal groups of channels: with n in a group, g * n + i goes to i * groups + g."""
    batch, channels, height, width = x.shape
    x = x.view(batch, groups, channels // groups, height, width)
    x = torch.transpose(x, 1, 2).contiguous()
    return x.view(batch, channels, height, width)


def _depthwise(channels: int, stride: int) -> tuple[nn.Module, nn.Module]:
    conv = nn.Conv2d(channels, channels, 3, stride, padding=1, groups=channels, bias=False)
    return conv, nn.BatchNorm2d(channels)


class InvertedResidual(nn.Module):
    """Stride 1 works on half of the channels; stride 2 on all of them in both branches."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        half = channels // 2
        self.stride = stride
        self.branch1 = nn.Sequential()
        if stride > 1:
            self.branch1 = nn.Sequential(
                *_depthwise(in_channels, stride), *ConvNormActivation(in_channels, half, 1)
            )
        self.branch2 = nn.Sequential(
            *ConvNormActivation(in_channels if stride > 1 else half, half, 1),
            *_depthwise(half, stride),
            *ConvNormActivation(half, half, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) -> (N, channels, H / stride, W / stride)."""
        if self.stride == 1:
            kept, worked = x.chunk(2, dim=1)
            out = torch.cat((kept, self.branch2(worked)), dim=1)
        else:
            out = torch.cat((self.branch1(x), self.branch2(x)), dim=1)
        return channel_shuffle(out, 2)


class ShuffleNetV2(nn.Module):
    """Width x0.5."""

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self.conv1 = ConvNormActivation(3, 24, stride=2)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        (self.stage2, self.stage3, self.stage4) = (
            _stage(in_channels, channels, repeats)
            for in_channels, (channels, repeats) in zip((24, 48, 96), _STAGES, strict=True)
        )
        self.conv5 = ConvNormActivation(192, 1024, 1)
        self.fc = nn.Linear(1024, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> logits (N, num_classes)."""
        x = self.maxpool(self.conv1(x))
        x = self.stage4(self.stage3(self.stage2(x)))
        return self.fc(self.conv5(x).mean([2, 3]))


def _stage(in_channels: int, channels: int, repeats: int) -> nn.Sequential:
    first = InvertedResidual(in_channels, channels, 2)
    rest = (InvertedResidual(channels, channels, 1) for _ in range(repeats - 1))
    return nn.Sequential(first, *rest)
