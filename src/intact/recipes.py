"""Named recipes: what `recipe="W8A8"` and ``--recipe W8A8`` mean."""

import difflib
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from intact.model import Dynamic
from intact.numerics.formats import BF16, FP16, Int
from intact.numerics.granularity import PerChannel, PerTensor
from intact.observers import MinMax, Observer, Percentile
from intact.ptq import (
    AdaRound,
    BiasCorrected,
    DeadChannelRepair,
    EmpiricalBiasCorrection,
    Equalize,
    FromBatchNorm,
    Gptq,
    LeastSquares,
    LeastSquaresInGroups,
    Nearest,
    NearestInGroups,
    PtqRule,
    Recipe,
    Refinement,
    WeightMethod,
)

Named = TypeVar("Named")

_INT8 = Nearest(Int(8, narrow=True), PerChannel())
_INT8_PER_TENSOR = Nearest(Int(8, narrow=True), PerTensor())
_INT4 = LeastSquares(Int(4, narrow=True), PerChannel())
# One number in 100,000 may saturate on each side. MobileNetV2's predictions then agree with float
# more often than with MinMax; small calibration sets are covered whole.
_ACTIVATION8 = Percentile(Int(8), q=99.999)


def _everywhere(weight: WeightMethod, activation: Observer | Dynamic | None = None) -> Recipe:
    return Recipe(rules=(PtqRule(weight=weight, activation=activation),))


def _integers(weight: WeightMethod, activation: Observer | Dynamic, *after: Refinement) -> Recipe:
    """Without channels that would stretch a range for nothing."""
    rules = (PtqRule(weight=weight, activation=activation),)
    return Recipe(rules=rules, before=(DeadChannelRepair(),), after=after)


RECIPES: dict[str, Recipe] = {
    # Weights and activations in integers. W8A8 is TFLite's 8-bit specification.
    "W8A8": _integers(BiasCorrected(_INT8), _ACTIVATION8),
    "W8A8-per-tensor": _integers(_INT8_PER_TENSOR, MinMax(Int(8))),
    "W8A16": _integers(BiasCorrected(_INT8), MinMax(Int(16), symmetric=True)),
    # Rounding to the nearest loses too much where steps are so wide.
    "W4A8": _integers(BiasCorrected(_INT4), _ACTIVATION8, Gptq(), EmpiricalBiasCorrection()),
    "W4A8-adaround": _integers(_INT4, _ACTIVATION8, AdaRound()),
    # No calibration: ranges from BatchNorm (Nagel et al. 2019).
    "W8A8-data-free": Recipe(
        before=(DeadChannelRepair(),),
        observe=FromBatchNorm(),
        rules=(PtqRule(weight=BiasCorrected(_INT8), activation=MinMax(Int(8))),),
    ),
    "W8A8-data-free-per-tensor": Recipe(
        before=(DeadChannelRepair(), Equalize()),
        observe=FromBatchNorm(),
        rules=(PtqRule(weight=BiasCorrected(_INT8_PER_TENSOR), activation=MinMax(Int(8))),),
    ),
    # No calibration: each layer quantizes what it reads when it runs.
    "dynamic-int8": _integers(_INT8, Dynamic(Int(8))),
    # Smaller files; the network computes in float32.
    "float16": _everywhere(Nearest(FP16, PerTensor())),
    "bfloat16": _everywhere(Nearest(BF16, PerTensor())),
    "W8": _everywhere(_INT8),
    "W4-g32": _everywhere(NearestInGroups(Int(4, narrow=True), 32)),
    "W4-g32-gptq": replace(
        _everywhere(LeastSquaresInGroups(Int(4, narrow=True), 32)), after=(Gptq(),)
    ),
}


def recipe(name: str) -> Recipe:
    """The recipe of a name.

    Raises:
        ValueError: if there is no recipe of that name; it lists the nearest.
    """
    return named(name, RECIPES)


def named(name: str, recipes: Mapping[str, Named]) -> Named:
    """The one of a name.

    Raises:
        ValueError: if there is none of that name; it lists the nearest.
    """
    if name not in recipes:
        nearest = difflib.get_close_matches(name, recipes, n=3, cutoff=0.3) or list(recipes)
        raise ValueError(f'there is no recipe "{name}"; the nearest are {", ".join(nearest)}')
    return recipes[name]
