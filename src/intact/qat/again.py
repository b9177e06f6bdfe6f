"""Progressive quantization: training goes on with other rules, from the weights that it reached.

    for bits, epochs in ((8, 10), (4, 10), (2, 20)):
        network = prepare_again(network, rules(bits))
        optimizer = torch.optim.SGD(network.parameters(), 0.01)    # quantizers are new
        ...

Rules of each stage may be about single layers: so the first stages may leave some of them float.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch

from intact.qat.network import TrainableNetwork, prepare
from intact.qat.protocol import QatRule
from intact.qat.recipe import QatRecipe


def prepare_again(
    network: TrainableNetwork, recipe: QatRecipe | Sequence[QatRule]
) -> TrainableNetwork:
    """A network prepared by other rules, with the float weights and statistics of one in training.

    Its quantizers begin anew: steps of weights from these weights, ranges of activations with the
    next batch of training. It is on the same device and in the same mode.

    Raises:
        ValueError: if a rule matches nothing.
    """
    constants = network.network.to_graph().constants
    made = prepare(replace(network.captured, constants=constants), recipe)
    first = next(network.parameters(), torch.empty(0))
    return made.to(first.device).train(network.training)
