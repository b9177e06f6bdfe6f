"""The small network that images of CIFAR-10 are learned by where several trainings are compared."""

from torch import Tensor, nn


class SmallNet(nn.Module):
    """Four 3x3 convolutions, all but the second one of stride 2, and a linear layer."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.conv1, self.bn1 = _block(3, width, 2)
        self.conv2, self.bn2 = _block(width, 2 * width, 1)
        self.conv3, self.bn3 = _block(2 * width, 4 * width, 2)
        self.conv4, self.bn4 = _block(4 * width, 4 * width, 2)
        self.linear = nn.Linear(4 * width * 4 * 4, 10)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 32, 32) -> logits (N, 10)."""
        x = self.bn1(self.conv1(x)).relu()
        x = self.bn2(self.conv2(x)).relu()
        x = self.bn3(self.conv3(x)).relu()
        x = self.bn4(self.conv4(x)).relu()
        logits: Tensor = self.linear(x.flatten(1))
        return logits


def _block(channels: int, new: int, stride: int) -> tuple[nn.Module, nn.Module]:
    convolution = nn.Conv2d(channels, new, 3, stride=stride, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(new)
