"""A small 1-D convolutional classifier of waveforms, for layers the other networks lack."""

from torch import Tensor, nn
from torch.nn import functional


class DilatedBlock(nn.Module):
    """Dilated and grouped convolutions with group norms, leaky ReLU and PReLU, and a residual."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.norm1 = nn.GroupNorm(4, channels)
        self.act1 = nn.LeakyReLU(0.1)
        self.conv2 = nn.Conv1d(channels, channels, 3, padding=1, groups=4)
        self.norm2 = nn.GroupNorm(4, channels)
        self.act2 = nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T) -> (N, C, T)."""
        y = self.act1(self.norm1(self.conv1(x)))
        return self.act2(x + self.norm2(self.conv2(y)))


class Conv1dNet(nn.Module):
    """Strided stem, three dilated blocks, max pool, mean over time."""

    def __init__(self, in_channels: int = 2, width: int = 32, num_classes: int = 6) -> None:
        super().__init__()
        self.stem = nn.Conv1d(in_channels, width, 7, stride=2, padding=3)
        self.act = nn.PReLU()
        self.blocks = nn.Sequential(*(DilatedBlock(width, dilation) for dilation in (1, 2, 4)))
        self.fc = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, T) -> logits (N, num_classes)."""
        x = functional.max_pool1d(self.act(self.stem(x)), 2)
        return self.fc(self.blocks(x).mean(-1))
