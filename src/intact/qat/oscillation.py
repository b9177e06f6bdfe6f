"""Weights that jump between two codes: how often, and two cures.

Nagel et al. 2022, "Overcoming oscillations in quantization-aware training". A weight near the
middle of two codes is pulled across it in every few steps, which spoils the statistics of
BatchNorm and the weight's own value. An oscillation is a change of code against the direction of
the weight's last change. Its frequency is an average over steps t, with the momentum m,

    f_t = m o_t + (1 - m) f_(t-1),    o_t = 1 in an oscillation, else 0.

`Oscillation` measures it and, with `freeze_above`, holds each weight whose frequency exceeds that
for good at the rounded average of its codes, of the same momentum.
`dampening` is a loss that draws weights to the middle of their bins.
"""

import numpy as np
import torch
from torch import Tensor, nn

from intact.errors import UnsupportedOpError
from intact.numerics.formats import Int
from intact.numerics.qtensor import CodebookTensor, QTensor, ScaledTensor
from intact.qat.grid import Grid
from intact.qat.network import TrainableNetwork


class Oscillation(nn.Module):
    """Follows the codes of all weights of a network; its state dict holds what it knows.

    Args:
        network: Whose weights are followed.
        momentum: m above.
        freeze_above: The frequency from which weights are held; None: none is. It may be changed
            while training (the authors' code lowers it from 0.1 to 0.01).

    Raises:
        UnsupportedOpError: if weights shall be held of a quantizer whose numbers it would change.
    """

    def __init__(
        self, network: TrainableNetwork, momentum: float = 0.01, freeze_above: float | None = None
    ) -> None:
        super().__init__()
        if not 0 < momentum <= 1:
            raise ValueError(f"momentum must be in (0, 1], not {momentum}")
        self._network = [network]  # in a list: no submodule, its state is not this one's
        self.momentum, self.freeze_above = momentum, freeze_above
        self._names = list(network.weights)
        self._tracks = nn.ModuleList(_Track(_codes(network, name)) for name in self._names)
        if freeze_above is not None:
            for name in self._names:
                _require_stable(network, name)

    @torch.no_grad()
    def update(self) -> None:
        """Looks at the codes; call it after each step of the optimizer."""
        for name, track in self._named().items():
            track.follow(_codes(self._network[0], name), self.momentum)
            if self.freeze_above is not None:
                track.hold(self.freeze_above)
                if bool(track.held.any()):
                    _set_codes(self._network[0], name, track)

    def frequency(self) -> dict[str, Tensor]:
        """That of each number of each weight, by the weight's name."""
        return {name: track.frequency for name, track in self._named().items()}

    def held(self) -> dict[str, Tensor]:
        """Where weights are held."""
        return {name: track.held for name, track in self._named().items()}

    def share(self, above: float = 0.005) -> dict[str, float]:
        """How many of a weight's numbers oscillate more often than that."""
        return {name: float((f > above).float().mean()) for name, f in self.frequency().items()}

    def _named(self) -> dict[str, "_Track"]:
        tracks = (track for track in self._tracks if isinstance(track, _Track))
        return dict(zip(self._names, tracks, strict=True))


class _Track(nn.Module):
    """One weight's codes."""

    last: Tensor  # codes
    turn: Tensor  # the sign of the last change, 0 before the first
    frequency: Tensor
    average: Tensor  # of codes
    held: Tensor

    def __init__(self, codes: Tensor) -> None:
        super().__init__()
        self.register_buffer("last", codes)
        self.register_buffer("turn", torch.zeros_like(codes))
        self.register_buffer("frequency", torch.zeros_like(codes))
        self.register_buffer("average", codes.clone())
        self.register_buffer("held", torch.zeros_like(codes, dtype=torch.bool))

    def follow(self, codes: Tensor, momentum: float) -> None:
        codes = torch.where(self.held, self.last, codes)
        change = (codes - self.last).sign()
        oscillates = change * self.turn < 0
        self.frequency.lerp_(oscillates.to(codes.dtype), momentum)
        self.average.lerp_(codes, momentum)
        self.turn.copy_(torch.where(change == 0, self.turn, change))
        self.last.copy_(codes)

    def hold(self, above: float) -> None:
        begins = ~self.held & (self.frequency > above)
        self.last.copy_(torch.where(begins, self.average.round(), self.last))
        self.held.logical_or_(begins)


def dampening(network: TrainableNetwork) -> Tensor:
    """The sum of (Q(w) - clip(w))**2 over all weights, with no gradient through Q(w).

    clip is to the ends of the grid: weights beyond it are left alone. Add it to the loss with a
    factor that rises from 0 while training (the authors' code: to 0.1).
    """
    losses = []
    for name, (_, quantizer) in network.weights.items():
        weight = network.weight(name)
        quantized = quantizer(weight).detach()
        codes = quantizer.freeze(weight.detach())
        if isinstance(codes, ScaledTensor) and isinstance(codes.params.format, Int):
            grid = Grid.of(codes.params, weight)
            low, high = (grid.real(bound.expand_as(weight)) for bound in grid.bounds(weight))
            weight = torch.minimum(torch.maximum(weight, low), high)
        losses.append((quantized - weight).square().sum())
    return torch.stack(losses).sum() if losses else torch.zeros(())


def _codes(network: TrainableNetwork, name: str) -> Tensor:
    _, quantizer = network.weights[name]
    weight = network.weight(name).detach()
    return _numbers(quantizer.freeze(weight), weight)


def _numbers(frozen: QTensor, like: Tensor) -> Tensor:
    match frozen:
        case ScaledTensor():
            codes = frozen.codes
        case CodebookTensor():
            codes = frozen.assignments.reshape(frozen.shape)
    return torch.from_numpy(codes.astype(np.float32)).to(like.device)


def _set_codes(network: TrainableNetwork, name: str, track: _Track) -> None:
    """Writes what the held codes mean into the weight."""
    _, quantizer = network.weights[name]
    frozen = quantizer.freeze(network.weight(name).detach())
    assert isinstance(frozen, ScaledTensor)
    codes = track.last.cpu().numpy().astype(frozen.codes.dtype)
    real = torch.from_numpy(frozen.params.dequantize(codes)).to(track.last.device)
    network.set_weight(name, real, track.held)


def _require_stable(network: TrainableNetwork, name: str) -> None:
    _, quantizer = network.weights[name]
    frozen = quantizer.freeze(network.weight(name).detach())
    if isinstance(frozen, ScaledTensor):
        again = quantizer.freeze(torch.from_numpy(frozen.dequantize()).to(network.weight(name)))
        if isinstance(again, ScaledTensor) and np.array_equal(again.codes, frozen.codes):
            return
    raise UnsupportedOpError(
        f'numbers of "{name}" cannot be held at a code: its quantizer ({type(quantizer).__name__})'
        " gives its own numbers other codes; measure without freeze_above"
    )
