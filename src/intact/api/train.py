"""prepare and convert: a network that trains with its quantizers, and the integers of it."""

from collections.abc import Sequence

from intact import qat
from intact.api.model import Example, Model, to_graph
from intact.api.network import QuantizedNetwork
from intact.lower.lower import lower_with_reasons
from intact.qat import QatRecipe, QatRule, TrainableNetwork
from intact.training_recipes import training_recipe


def prepare(
    model: Model,
    recipe: str | QatRecipe | Sequence[QatRule] = "W8A8",
    *,
    example_input: Example | tuple[Example, ...] | None = None,
) -> TrainableNetwork:
    """The network as an `nn.Module` whose weights and activations are quantized while it trains.

    It trains in any loop: its parameters are the network's and the quantizers'. In evaluation mode
    it runs the integers of what `convert` would make of it now.

    Args:
        model: An `nn.Module`, an exported program, a captured graph, or an .onnx or .pt2 file.
        recipe: A name of `intact.training_recipes.TRAINING_RECIPES`, a `QatRecipe`, or rules, of
            which the first that matches a node's name decides on its weight and output:
            ``QatRule(weight=partial(LsqWeight, format=Int(4, narrow=True)),
            activation=partial(LsqActivation, Int(4)))``.
        example_input: What an `nn.Module` is called with.

    Raises:
        ValueError: if there is no such recipe, a rule matches nothing, or a module has no example
            input.
        UnsupportedOpError: if the network holds an operation that intact cannot capture.
    """
    chosen = training_recipe(recipe) if isinstance(recipe, str) else recipe
    network = qat.prepare(to_graph(model, example_input), chosen)
    qat.check_setup(network)
    return network


def convert(network: TrainableNetwork) -> QuantizedNetwork:
    """What was trained, in integers: the codes of the weights are those of the last forward pass.

    It warns (`qat.TrainingWarning`) where training most likely was not what was meant: see
    `qat.check_trained`.

    Raises:
        TypeError: if the network did not come from `prepare`, or is wrapped.
        CalibrationError: if an activation's quantizer saw no data.
    """
    if not isinstance(network, TrainableNetwork):
        raise TypeError(
            f"convert takes the network that intact.prepare gave, not {type(network).__name__}; "
            "of a wrapped one, as DistributedDataParallel and AveragedModel have, its .module"
        )
    qat.check_trained(network)
    model = qat.finish(network)
    lowered = lower_with_reasons(model)
    return QuantizedNetwork(lowered.program, model, lowered.stays_float, "trained")
