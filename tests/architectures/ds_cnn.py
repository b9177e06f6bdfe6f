"""DS-CNN for keyword spotting (Zhang et al. 2017), as in MLPerf Tiny but without the softmax."""

from torch import Tensor, nn
from torch.nn import functional


class SeparableBlock(nn.Sequential):
    """3x3 depthwise and 1x1 convolution, with biases as well as batch norms."""

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels),
            nn.BatchNorm2d(channels, eps=1e-3),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 1),
            nn.BatchNorm2d(channels, eps=1e-3),
            nn.ReLU(),
        )


class DSCNN(nn.Module):
    """49 frames of 10 cepstral coefficients; 12 words."""

    def __init__(self, channels: int = 64, num_classes: int = 12) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, channels, (10, 4), stride=2)
        self.bn = nn.BatchNorm2d(channels, eps=1e-3)
        self.blocks = nn.Sequential(*(SeparableBlock(channels) for _ in range(4)))
        self.dropout = nn.Dropout(0.4)
        self.pool = nn.AvgPool2d((25, 5))
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, 49, 10) -> logits (N, num_classes)."""
        x = functional.pad(x, (1, 1, 4, 5))  # TensorFlow's "same" for this kernel and stride
        x = functional.relu(self.bn(self.conv(x)))
        x = self.pool(self.dropout(self.blocks(x)))
        return self.fc(x.flatten(1))
