"""Post-training quantization: a recipe and a few samples in, a `QuantizedModel` out."""

from intact.ptq.adaround import AdaRound
from intact.ptq.awq import Awq
from intact.ptq.bias_correction import BiasCorrected
from intact.ptq.brecq import Brecq
from intact.ptq.calibrate import Observations, merge, observe
from intact.ptq.data_free import FromBatchNorm
from intact.ptq.dead_channels import DeadChannelRepair
from intact.ptq.distilled import Distillation
from intact.ptq.empirical_bias import EmpiricalBiasCorrection
from intact.ptq.equalization import AbsorbBias, Equalize
from intact.ptq.estimated_batchnorm import EstimateBatchNorm
from intact.ptq.gptq import Gptq
from intact.ptq.least_squares import LeastSquares, LeastSquaresInGroups
from intact.ptq.nearest import Nearest, NearestInGroups
from intact.ptq.protocol import (
    Batch,
    Preparation,
    Progress,
    PtqRule,
    Refinement,
    WeightMethod,
    silent,
)
from intact.ptq.quantize import quantize_from
from intact.ptq.recipe import Observing, Quantized, Recipe, as_recipe, quantize, run
from intact.ptq.rounding import Learning
from intact.ptq.smooth_quant import SmoothQuant
from intact.ptq.squant import SQuant

__all__ = [
    "AbsorbBias",
    "AdaRound",
    "Awq",
    "Batch",
    "BiasCorrected",
    "Brecq",
    "DeadChannelRepair",
    "Distillation",
    "EmpiricalBiasCorrection",
    "Equalize",
    "EstimateBatchNorm",
    "FromBatchNorm",
    "Gptq",
    "Learning",
    "LeastSquares",
    "LeastSquaresInGroups",
    "Nearest",
    "NearestInGroups",
    "Observations",
    "Observing",
    "Preparation",
    "Progress",
    "PtqRule",
    "Quantized",
    "Recipe",
    "Refinement",
    "SQuant",
    "SmoothQuant",
    "WeightMethod",
    "as_recipe",
    "merge",
    "observe",
    "quantize",
    "quantize_from",
    "run",
    "silent",
]
