"""What quantizers do, in numbers that any logger takes.

    for name, number in statistics(network, x).items():
        writer.add_scalar(name, number, step)    # or log them where you like

`tensorboard(folder)` opens such a writer.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from intact.errors import CalibrationError
from intact.numerics.formats import Int
from intact.numerics.granularity import stretch
from intact.numerics.qtensor import QuantParams, ScaledTensor
from intact.qat.network import TrainableNetwork
from intact.qat.oscillation import Oscillation
from intact.qat.protocol import FakeActivation
from intact.qat.reestimate import Batch, inputs_of

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


@torch.no_grad()
def statistics(
    network: TrainableNetwork, batch: Batch | None = None, oscillation: Oscillation | None = None
) -> dict[str, float]:
    """Ranges, scales, shares of clipped numbers and of oscillating weights.

    Of each weight: ``<weight>/scale`` (the mean over channels), ``.../clipped`` (the share of
    numbers beyond the grid by more than half a step), and, with `oscillation`,
    ``.../oscillating``. Of each activation that saw data: ``<value>/scale``, ``.../low``,
    ``.../high`` (the ends of the grid), and, with a batch, ``.../clipped``.

    Args:
        network: As it is; nothing of it changes.
        batch: What the network is called with; labels behind its inputs are left out.
        oscillation: What follows its weights.
    """
    found: dict[str, float] = {}
    for name, (_, quantizer) in network.weights.items():
        weight = network.weight(name)
        codes = quantizer.freeze(weight)
        if isinstance(codes, ScaledTensor) and isinstance(codes.params.format, Int):
            found[f"{name}/scale"] = float(codes.params.scale.mean())
            found[f"{name}/clipped"] = _clipped(weight, codes)
    if oscillation is not None:
        found |= {f"{name}/oscillating": s for name, s in oscillation.share().items()}
    for name, activation in network.activations.items():
        if (params := _params(activation)) is not None:
            low, high = _ends(params)
            found[f"{name}/scale"] = float(params.scale)
            found |= {f"{name}/low": low, f"{name}/high": high}
    return found if batch is None else found | _clipped_activations(network, batch)


def tensorboard(folder: str) -> "SummaryWriter":
    """A writer of files for TensorBoard.

    Raises:
        ImportError: if tensorboard is not installed; it says what to install.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ImportError("logs for TensorBoard need it: pip install tensorboard") from error
    return SummaryWriter(folder)


def _clipped(weight: Tensor, codes: ScaledTensor) -> float:
    """Rounding moves a number by half a step at most; what is further away was clipped."""
    error = np.abs(weight.cpu().numpy() - codes.dequantize())
    return float((error > 0.501 * stretch(codes.params.scale, codes.shape)).mean())


def _params(activation: FakeActivation) -> QuantParams | None:
    try:
        return activation.params()
    except CalibrationError:
        return None


def _ends(params: QuantParams) -> tuple[float, float]:
    lowest, highest = params.format.codes()[[0, -1]]
    low, high = params.dequantize(np.asarray([lowest, highest]))
    return float(low), float(high)


def _clipped_activations(network: TrainableNetwork, batch: Batch) -> dict[str, float]:
    found: dict[str, float] = {}
    handles = []
    for name, quantizer in network.activations.items():
        if (params := _params(quantizer)) is not None:
            assert isinstance(quantizer, nn.Module)
            handles.append(quantizer.register_forward_pre_hook(_counter(name, params, found)))
    training = network.training
    network.eval()
    try:
        network.simulate(*inputs_of(network, batch))
    finally:
        network.train(training)
        for handle in handles:
            handle.remove()
    return found


def _counter(
    name: str, params: QuantParams, found: dict[str, float]
) -> Callable[[nn.Module, tuple[Tensor]], None]:
    low, high = _ends(params)
    half = float(params.scale) / 2

    def count(_: nn.Module, args: tuple[Tensor]) -> None:
        outside = (args[0] < low - half) | (args[0] > high + half)
        found[f"{name}/clipped"] = float(outside.float().mean())

    return count
