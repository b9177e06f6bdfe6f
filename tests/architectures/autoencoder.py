"""Autoencoder for machine sounds (ToyADMOS), as in MLPerf Tiny."""

from torch import Tensor, nn


def _hidden(in_features: int, features: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(in_features, features), nn.BatchNorm1d(features, eps=1e-3), nn.ReLU()
    )


class Autoencoder(nn.Module):
    """Five frames of 128 mel bands, squeezed through 8 numbers."""

    def __init__(self, features: int = 640, width: int = 128, bottleneck: int = 8) -> None:
        super().__init__()
        sizes = (features, width, width, width, width, bottleneck)
        self.encoder = nn.Sequential(*map(_hidden, sizes[:-1], sizes[1:]))
        back = (bottleneck, width, width, width, width)
        self.decoder = nn.Sequential(*map(_hidden, back[:-1], back[1:]), nn.Linear(width, features))

    def forward(self, x: Tensor) -> Tensor:
        """(N, features) -> (N, features)."""
        return self.decoder(self.encoder(x))
