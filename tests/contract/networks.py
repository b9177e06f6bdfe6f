"""Tiny networks for the suites over preparations and refinements, with calibration data."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from intact.capture.export import capture
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph


class Residual(nn.Module):
    """Convolutions of all kinds with batch norm and ReLU6, a residual sum, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8))
        self.expand = nn.Sequential(nn.Conv2d(8, 16, 1, bias=False), nn.BatchNorm2d(16))
        self.depthwise = nn.Sequential(
            nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False), nn.BatchNorm2d(16)
        )
        self.project = nn.Sequential(nn.Conv2d(16, 8, 1, bias=False), nn.BatchNorm2d(8))
        self.grouped = nn.Conv2d(8, 8, 3, groups=2)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 12, 12) to (N, 5)."""
        x = functional.relu6(self.stem(x))
        y = functional.relu6(self.depthwise(functional.relu6(self.expand(x))))
        x = x + self.project(y)
        return self.head(functional.relu(self.grouped(x)).mean((2, 3)))


class Attention(nn.Module):
    """Pre-norm attention and a perceptron, as in a transformer."""

    def __init__(self) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(8), nn.LayerNorm(8)
        self.query, self.key, self.value, self.out = (nn.Linear(8, 8) for _ in range(4))
        self.up, self.down = nn.Linear(8, 16), nn.Linear(16, 8)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 6, 8) to (N, 6, 8)."""
        y = self.norm_1(x)
        y = functional.scaled_dot_product_attention(self.query(y), self.key(y), self.value(y))
        x = x + self.out(y)
        return x + self.down(functional.gelu(self.up(self.norm_2(x))))


def _varied(model: nn.Module) -> nn.Module:
    """Norms that a training might have left behind, instead of those of the beginning."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean, module.running_var = (
                torch.randn(module.num_features) / 2,
                torch.rand(module.num_features) + 0.3,
            )
        if isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.bias, std=0.5)
    return model.eval()


def _residual() -> tuple[Graph[FloatOp], list[Tensor]]:
    torch.manual_seed(0)
    batches = [torch.randn(8, 3, 12, 12) for _ in range(2)]
    return capture(_varied(Residual()), batches[0]), batches


def _attention() -> tuple[Graph[FloatOp], list[Tensor]]:
    torch.manual_seed(1)
    batches = [torch.randn(8, 6, 8) * torch.linspace(0.5, 3, 8) for _ in range(2)]
    return capture(_varied(Attention()), batches[0]), batches


NETWORKS = {"residual": _residual(), "attention": _attention()}
