"""Statistics taken anew from data, without training: of BatchNorms, of activations' ranges."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn

from intact.capture.running import OnNode
from intact.errors import CalibrationError
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Node
from intact.qat.network import TrainableNetwork

Batch: TypeAlias = Tensor | Sequence[Tensor]  # in the order of the network's inputs
Progress: TypeAlias = Callable[[str, int], None]  # what is done, and how many batches of it


def _silent(what: str, done: int) -> None:
    """The `Progress` that nobody sees."""


@torch.no_grad()
def reestimate_batchnorm(
    network: TrainableNetwork, batches: Iterable[Batch], progress: Progress = _silent
) -> None:
    """Gives BatchNorms the mean and variance that the quantized network has on the batches.

    The moving averages of training lag behind weights that change codes; a hundred batches before
    `convert` mend that (Nagel et al. 2022). Batches of the size of training are
    normalized by their own statistics; the population's are (Wu and Johnson 2021, "Rethinking
    'Batch' in BatchNorm")

        mean = E(mean_B),    variance = E(variance_B + mean_B**2) - mean**2

    Nothing else changes: quantizers compute as in evaluation, Dropout is off.

    Args:
        network: Prepared and trained.
        batches: What the network is called with; labels behind its inputs are left out.
        progress: Told after each batch.

    Raises:
        CalibrationError: if there is no batch.
    """
    sums: dict[str, Tensor] = {}  # of mean and mean square, (2, C)

    def normalize(node: Node[FloatOp], values: Mapping[str, Tensor]) -> Tensor | None:
        if not isinstance(node.op, ops.BatchNorm):
            return None
        x, norm = values[node.inputs[0].name], network.norm(node)
        mean, variance = norm.of_batch(x)
        moments = torch.stack([mean, variance + mean.square()]).double()
        sums[node.name] = sums.get(node.name, 0) + moments
        return norm.apply(x, mean, variance)

    count = _evaluated(network, batches, progress, "estimating BatchNorms again", normalize)
    for node in network.network.nodes:
        if node.name in sums:
            mean, square = sums[node.name] / count
            norm = network.norm(node)
            norm.mean.copy_(mean)
            norm.variance.copy_((square - mean.square()).clamp_min(0))


@torch.no_grad()
def calibrate(
    network: TrainableNetwork, batches: Iterable[Batch], progress: Progress = _silent
) -> None:
    """Shows batches to the quantizers of activations, so that they begin with good ranges.

    Weights and BatchNorms stay as they are, as does Dropout's absence in evaluation. Training
    calibrates too; this is for a network that is evaluated or converted before it trains, and for
    first batches that are not like the others.

    Raises:
        CalibrationError: if there is no batch.
    """
    quantizers = [q for q in network.activations.values() if isinstance(q, nn.Module)]
    _evaluated(network, batches, progress, "calibrating", learning=quantizers)


def _evaluated(
    network: TrainableNetwork, batches: Iterable[Batch], progress: Progress, what: str,
    on_node: OnNode | None = None, learning: Iterable[nn.Module] = (),
) -> int:  # fmt: skip
    """Simulates batches in evaluation mode, except for quantizers that learn; how many."""
    training, count = network.training, 0
    network.eval()
    try:
        for quantizer in learning:
            quantizer.train()
        for batch in batches:
            network.simulate(*inputs_of(network, batch), on_node=on_node)
            count += 1
            progress(what, count)
    finally:
        network.train(training)
    if count == 0:
        raise CalibrationError(f"{what} takes data, and there was no batch: give some")
    return count


def inputs_of(network: TrainableNetwork, batch: Batch) -> tuple[Tensor, ...]:
    """The network's inputs in a batch that may hold labels behind them."""
    return (batch,) if isinstance(batch, Tensor) else tuple(batch[: len(network.network.inputs)])
