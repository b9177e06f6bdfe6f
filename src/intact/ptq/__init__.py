"""Post-training quantization: rules and a few samples in, a `QuantizedModel` out."""

from intact.ptq.bias_correction import BiasCorrected
from intact.ptq.calibrate import Observations, merge, observe
from intact.ptq.nearest import Nearest, NearestInGroups
from intact.ptq.protocol import PtqRule, WeightMethod
from intact.ptq.quantize import quantize, quantize_from
from intact.ptq.samples import Batch

__all__ = [
    "Batch",
    "BiasCorrected",
    "Nearest",
    "NearestInGroups",
    "Observations",
    "PtqRule",
    "WeightMethod",
    "merge",
    "observe",
    "quantize",
    "quantize_from",
]
