"""DeepLabV3 (Chen et al. 2017) on MobileNetV2 at output stride 8, as for mobile devices.

The head has the 1x1 branch and image pooling only, like TensorFlow's MobileNetV2 models.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.architectures.blocks import ConvNormActivation
from tests.architectures.mobilenet_v2 import STAGES, InvertedResidual

_OUTPUT_STRIDE = 8


def _backbone() -> nn.Sequential:
    """MobileNetV2 up to 320 channels; past the output stride, dilation replaces stride.

    The convolution that would have had the stride keeps the dilation from before it.
    """
    layers: list[nn.Module] = [ConvNormActivation(3, 32, stride=2, activation=nn.ReLU6)]
    channels, reached, dilation = 32, 2, 1
    for expansion, out_channels, repeats, first_stride in STAGES:
        for wanted in (first_stride, *(1,) * (repeats - 1)):
            stride = wanted if reached * wanted <= _OUTPUT_STRIDE else 1
            block = InvertedResidual(
                channels, out_channels, stride=stride, expansion=expansion, dilation=dilation
            )
            layers.append(block)
            channels = out_channels
            reached *= stride
            dilation *= wanted // stride
    return nn.Sequential(*layers)


class DeepLabV3(nn.Module):
    """Semantic segmentation: logits at the size of the input."""

    def __init__(self, num_classes: int = 21) -> None:
        super().__init__()
        self.backbone = _backbone()
        self.aspp0 = ConvNormActivation(320, 256, 1)
        self.image_pooling = ConvNormActivation(320, 256, 1)
        self.concat_projection = ConvNormActivation(512, 256, 1)
        self.logits = nn.Conv2d(256, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> logits (N, num_classes, H, W)."""
        features = self.backbone(x)
        pooled = self.image_pooling(functional.adaptive_avg_pool2d(features, 1))
        pooled = pooled.expand(-1, -1, features.shape[2], features.shape[3])
        joined = torch.cat([pooled, self.aspp0(features)], dim=1)
        logits = self.logits(self.concat_projection(joined))
        return functional.interpolate(logits, size=x.shape[2:], mode="bilinear", align_corners=True)
