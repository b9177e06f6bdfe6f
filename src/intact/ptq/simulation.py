"""The quantized network in float32, for methods that need gradients or layers' inputs.

Weights are what their codes stand for, and every activation is rounded to its codes: what `lower`
makes integers of, but for the rounding of biases and multipliers. Accuracy is never measured so;
that is done in integers.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from intact.capture.module import from_graph
from intact.capture.running import OnValue
from intact.model import QuantizedModel
from intact.numerics.formats import Int
from intact.numerics.qtensor import QuantParams
from intact.observers import fake_quantize
from intact.passes.placement import placement, resolve


class Simulation:
    """Runs a quantized model in float32; `Dynamic` activations are not rounded."""

    def __init__(self, model: QuantizedModel) -> None:
        self._module = from_graph(model.graph).eval()
        self._params = rounding(model)
        self._constants = quantized_constants(model)

    def run(self, inputs: Sequence[Tensor], on_value: OnValue | None = None) -> tuple[Tensor, ...]:
        """The outputs; `on_value` is called as by `CapturedModule.run`, with rounded values."""

        def rounded(name: str, x: Tensor) -> Tensor:
            params = self._params.get(name)
            if params is not None:
                x = fake_quantize(x, params)
            replaced = on_value(name, x) if on_value is not None else None
            return x if replaced is None else replaced

        return self._module.run(inputs, rounded, lambda name, _: self._constants.get(name))


def rounding(model: QuantizedModel) -> dict[str, QuantParams]:
    """The parameters of every value that has codes when the network runs."""
    resolved = resolve(placement(model.graph), _static(model))
    return {name: params for name, params in resolved.items() if isinstance(params.format, Int)}


def quantized_constants(model: QuantizedModel) -> dict[str, Tensor]:
    """What the codes of weights, and of constants that stand for activations, mean."""
    constants = {
        name: torch.from_numpy(weight.dequantize()) for name, weight in model.weights.items()
    }
    for name, params in _static(model).items():
        if name in model.graph.constants:
            codes = params.quantize(model.graph.constants[name])
            constants[name] = torch.from_numpy(params.dequantize(codes))
    return constants


def _static(model: QuantizedModel) -> dict[str, QuantParams]:
    return {
        name: params
        for name, params in model.activations.items()
        if isinstance(params, QuantParams)
    }
