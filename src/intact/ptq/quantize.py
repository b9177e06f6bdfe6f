"""quantize_from: rules and what calibration saw in, a `QuantizedModel` out."""

from collections.abc import Mapping, Sequence

from intact.errors import CalibrationError
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.model import ActivationParams, Dynamic, QuantizedModel
from intact.numerics.formats import Int
from intact.observers import Statistics, constant_params
from intact.passes.inference import for_inference
from intact.passes.placement import Observed, placement
from intact.ptq.bias_correction import correct_biases, input_means
from intact.ptq.calibrate import Observations, choose
from intact.ptq.protocol import PtqRule
from intact.ptq.weights import quantize_weights


def quantize_from(
    graph: Graph[FloatOp], rules: Sequence[PtqRule], seen: Observations
) -> QuantizedModel:
    """The network with weights and activations quantized as the rules say.

    A rule's name is matched against nodes (it decides on the node's weight and output) and graph
    inputs. The output of a layer with a fused ReLU is the ReLU's output: the ReLU's rule decides.

    Args:
        graph: The captured network.
        rules: The first rule that matches decides; what it leaves None stays float.
        seen: What `observe` saw of the same graph with the same rules, or several of them, merged.

    Raises:
        ValueError: if a rule matches nothing, or layers that share a weight disagree.
        CalibrationError: if statistics of a value are missing.
    """
    graph = for_inference(graph)
    chosen = choose(graph, rules)
    activations = _activations(graph, chosen, seen.statistics)
    activations.update(constant_params(graph, _formats(chosen)))
    weights = quantize_weights(graph, chosen)
    missing = input_means(graph, chosen).keys() - seen.means.keys()
    if missing:
        raise CalibrationError(f"there are no means of the inputs of {sorted(missing)}")
    return QuantizedModel(correct_biases(graph, weights, seen.means), weights, activations)


def _activations(
    graph: Graph[FloatOp], chosen: Mapping[str, PtqRule], statistics: Mapping[str, Statistics]
) -> dict[str, ActivationParams]:
    activations: dict[str, ActivationParams] = {}
    for name, place in placement(graph).items():
        rule = chosen.get(name)
        if rule is None or rule.activation is None or not isinstance(place, Observed):
            continue
        if isinstance(rule.activation, Dynamic):
            activations[name] = rule.activation
        elif name in statistics:
            activations[name] = statistics[name].params()
        else:
            raise CalibrationError(
                f'there are no statistics of "{name}"; observe the same graph with the same rules'
            )
    return activations


def _formats(chosen: Mapping[str, PtqRule]) -> dict[str, tuple[Int, bool]]:
    """Format and symmetry of each node's activation, by the node's name."""
    return {
        name: (rule.activation.format, rule.activation.symmetric)
        for name, rule in chosen.items()
        if rule.activation is not None and not isinstance(rule.activation, Dynamic)
    }
