"""The usual mistakes of quantization-aware training, told before they cost a training.

`check_setup` is for before training (`prepare` calls it without an optimizer), `check_trained` for
after it (`convert` calls it).
"""

import warnings
from collections.abc import Iterator

import torch

from intact.errors import CalibrationError
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Node
from intact.passes.placement import KeepsParams
from intact.qat.binary import SignActivation
from intact.qat.network import TrainableNetwork
from intact.qat.protocol import Ending


class TrainingWarning(UserWarning):
    """Training or conversion goes on, but most likely not as it was meant."""


def check_setup(network: TrainableNetwork, optimizer: torch.optim.Optimizer | None = None) -> None:
    """Warns of what training cannot mend.

    Activations of sign behind a ReLU; with an optimizer, parameters that it does not have or that
    have a learning rate of 0, and a network that is not in training mode.
    """
    found = list(_constant_signs(network))
    if optimizer is not None:
        found += _left_out(network, optimizer)
        if not network.training:
            found.append(
                "the network is in evaluation mode, in which it runs integers without a gradient;"
                " call network.train() before training, and again after each evaluation"
            )
    _warn(found)


def check_trained(network: TrainableNetwork) -> None:
    """Warns of a network that is not what was evaluated in training.

    Quantizers whose delay outlasted the training, weights that are still searched for, BatchNorms
    whose statistics never moved or that are still in training mode.

    Raises:
        CalibrationError: if quantizers saw no data; it names them.
    """
    unseen = [name for name, quantizer in network.activations.items() if not _saw_data(quantizer)]
    if unseen:
        raise CalibrationError(
            f"the quantizers of {_listed(unseen)} saw no data; run some batches in training mode,"
            " or calibrate(network, batches)"
        )
    _warn([*_unended(network), *_batchnorms(network)])


def _warn(found: list[str]) -> None:
    for message in found:
        warnings.warn(message, TrainingWarning, stacklevel=4)


def _saw_data(quantizer: object) -> bool:
    try:
        quantizer.params()  # type: ignore[attr-defined]
    except CalibrationError:
        return False
    return True


def _unended(network: TrainableNetwork) -> Iterator[str]:
    found: dict[str, list[str]] = {}
    quantizers = {name: weight for name, (_, weight) in network.weights.items()}
    for name, quantizer in (quantizers | network.activations).items():
        reason = quantizer.unended(int(network.batches)) if isinstance(quantizer, Ending) else None
        if reason is not None:
            found.setdefault(reason, []).append(name)
    for reason, names in found.items():
        yield f"{_listed(names)}: {reason}"


def _batchnorms(network: TrainableNetwork) -> Iterator[str]:
    names = [node.name for node in network.network.nodes if isinstance(node.op, ops.BatchNorm)]
    fresh = [name for name in names if _never_moved(network, name)]
    if fresh:
        yield (
            f"the statistics of {_listed(fresh)} never moved from 0 and 1; train in training mode,"
            " or reestimate_batchnorm(network, batches)"
        )
    if names and network.training and int(network.batches) and not network.batchnorm_frozen:
        yield (
            "the network is still in training mode, in which BatchNorms compute with each batch's"
            " statistics: what was measured so is not what is converted; call network.eval() and"
            " evaluate first"
        )


def _never_moved(network: TrainableNetwork, name: str) -> bool:
    node = next(node for node in network.network.nodes if node.name == name)
    norm = network.norm(node)
    return bool((norm.mean == 0).all() and (norm.variance == 1).all())


def _constant_signs(network: TrainableNetwork) -> Iterator[str]:
    producers = {node.name: node for node in network.network.nodes}
    for name, quantizer in network.activations.items():
        if isinstance(quantizer, SignActivation) and _never_negative(name, producers):
            yield (
                f'"{name}" is always +1: its numbers are never negative, and the sign of 0 is +1;'
                " remove the ReLU (or what bounds it) before it"
            )


def _never_negative(name: str, producers: dict[str, Node[FloatOp]]) -> bool:
    if name not in producers:
        return False
    op, source = producers[name].op, producers[name].inputs[0].name
    match op:
        case ops.Relu() | ops.Sigmoid() | ops.HardSigmoid() | ops.Softmax():
            return True
        case ops.Clamp(low=low) if low is not None:
            return low >= 0
        case ops.Clamp():
            return _never_negative(source, producers)
        case _:
            return isinstance(op, KeepsParams) and _never_negative(source, producers)


def _left_out(network: TrainableNetwork, optimizer: torch.optim.Optimizer) -> Iterator[str]:
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    names = {id(p): name for name, p in network.named_parameters() if p.requires_grad}
    missing = [name for key, name in names.items() if key not in rates]
    if missing:
        yield (
            f"the optimizer does not have {_listed(missing)}: construct it after prepare, with"
            " network.parameters()"
        )
    still = [names[key] for key in names if key in rates and float(rates[key]) == 0]
    if still:
        yield f"{_listed(still)} have a learning rate of 0: they will stay as they are"


def _listed(names: list[str]) -> str:
    shown = ", ".join(f'"{name}"' for name in names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
