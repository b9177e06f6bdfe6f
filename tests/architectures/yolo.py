"""A detector after YOLOv5 (6.0): CSP backbone, SPPF, feature pyramid down and up, three heads."""

from functools import partial

import torch
from torch import Tensor, nn

from tests.architectures.blocks import ConvNormActivation

_Conv = partial(
    ConvNormActivation,
    norm=partial(nn.BatchNorm2d, eps=1e-3, momentum=0.03),
    activation=nn.SiLU,
)


class Bottleneck(nn.Module):
    """1x1 and 3x3 convolution, with or without the residual add."""

    def __init__(self, channels: int, *, shortcut: bool) -> None:
        super().__init__()
        self.cv1 = _Conv(channels, channels, 1)
        self.cv2 = _Conv(channels, channels, 3)
        self.add = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        return x + self.cv2(self.cv1(x)) if self.add else self.cv2(self.cv1(x))


class C3(nn.Module):
    """Cross stage partial block: bottlenecks on one half, the other half passes by."""

    def __init__(
        self, in_channels: int, channels: int, depth: int = 1, *, shortcut: bool = True
    ) -> None:
        super().__init__()
        half = channels // 2
        self.cv1 = _Conv(in_channels, half, 1)
        self.cv2 = _Conv(in_channels, half, 1)
        self.cv3 = _Conv(2 * half, channels, 1)
        self.m = nn.Sequential(*(Bottleneck(half, shortcut=shortcut) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) -> (N, channels, H, W)."""
        return self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), 1))


class SPPF(nn.Module):
    """Three 5x5 max pools in a row see 5, 9 and 13 pixels; all are concatenated."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.cv1 = _Conv(channels, channels // 2, 1)
        self.cv2 = _Conv(2 * channels, channels, 1)
        self.m = nn.MaxPool2d(5, stride=1, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        x = self.cv1(x)
        y1 = self.m(x)
        y2 = self.m(y1)
        return self.cv2(torch.cat((x, y1, y2, self.m(y2)), 1))


class Backbone(nn.Module):
    """Features at strides 8, 16 and 32 with 4, 8 and 16 times `width` channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 6, stride=2, padding=2, bias=False),
            nn.BatchNorm2d(width, eps=1e-3, momentum=0.03),
            nn.SiLU(),
        )
        self.stage2 = _down(width, depth=1)
        self.stage3 = _down(2 * width, depth=2)
        self.stage4 = _down(4 * width, depth=3)
        self.stage5 = nn.Sequential(*_down(8 * width, depth=1), SPPF(16 * width))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, 3, H, W) -> the features, finest first; 32 divides H and W."""
        p3 = self.stage3(self.stage2(self.stem(x)))
        p4 = self.stage4(p3)
        return p3, p4, self.stage5(p4)


def _down(channels: int, depth: int) -> nn.Sequential:
    return nn.Sequential(
        _Conv(channels, 2 * channels, stride=2), C3(2 * channels, 2 * channels, depth)
    )


class Yolo(nn.Module):
    """Raw head outputs; decoding boxes is left to float code, as deployments do."""

    def __init__(self, width: int = 32, num_classes: int = 80, anchors: int = 3) -> None:
        super().__init__()
        c3, c4, c5 = 4 * width, 8 * width, 16 * width
        self.backbone = Backbone(width)
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")
        self.reduce5 = _Conv(c5, c4, 1)
        self.top_down4 = C3(2 * c4, c4, shortcut=False)
        self.reduce4 = _Conv(c4, c3, 1)
        self.top_down3 = C3(2 * c3, c3, shortcut=False)
        self.down3 = _Conv(c3, c3, stride=2)
        self.bottom_up4 = C3(2 * c3, c4, shortcut=False)
        self.down4 = _Conv(c4, c4, stride=2)
        self.bottom_up5 = C3(2 * c4, c5, shortcut=False)
        outputs = anchors * (5 + num_classes)
        self.heads = nn.ModuleList(nn.Conv2d(c, outputs, 1) for c in (c3, c4, c5))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """(N, 3, H, W) -> three (N, anchors * (5 + classes), h, w) at strides 8, 16 and 32."""
        p3, p4, p5 = self.backbone(x)
        r5 = self.reduce5(p5)
        r4 = self.reduce4(self.top_down4(torch.cat([self.upsample(r5), p4], 1)))
        n3 = self.top_down3(torch.cat([self.upsample(r4), p3], 1))
        n4 = self.bottom_up4(torch.cat([self.down3(n3), r4], 1))
        n5 = self.bottom_up5(torch.cat([self.down4(n4), r5], 1))
        return tuple(head(n) for head, n in zip(self.heads, (n3, n4, n5), strict=True))
