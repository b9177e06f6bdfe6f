"""quantize_from: rules and what calibration saw in, a `QuantizedModel` out."""

from collections.abc import Mapping, Sequence

import numpy as np

from intact.errors import CalibrationError
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.model import ActivationParams, Dynamic, QuantizedModel
from intact.numerics.formats import Float
from intact.numerics.qtensor import QuantParams
from intact.observers import Statistics, choose_params
from intact.passes.inference import for_inference
from intact.passes.placement import Observed, activation_inputs, placement, scalar_factor
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
    activations.update(_constants(graph, chosen))
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


def _constants(graph: Graph[FloatOp], chosen: Mapping[str, PtqRule]) -> dict[str, QuantParams]:
    """Parameters of constants that stand where activations may, in their first reader's format.

    A constant that is not finite (a mask of minus infinity) stays float.
    """
    found: dict[str, QuantParams] = {}
    for node in graph.nodes:
        rule = chosen.get(node.name)
        observer = None if rule is None else rule.activation
        if observer is None or isinstance(observer, Dynamic):
            continue
        if scalar_factor(node, graph.constants) is not None:
            continue  # multiplies the scale
        for value in activation_inputs(node):
            array = graph.constants.get(value.name)
            if array is None or not array.size or not isinstance(value.dtype, Float):
                continue
            low, high = float(np.min(array)), float(np.max(array))
            if np.isfinite([low, high]).all():
                params = choose_params(low, high, observer.format, observer.symmetric)
                found.setdefault(value.name, params)
    return found
