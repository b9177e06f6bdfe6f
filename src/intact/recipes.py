"""Named rule lists: what `recipe="W8A8"` and ``--recipe W8A8`` mean."""

import difflib

from intact.model import Dynamic
from intact.numerics.formats import BF16, FP16, Int
from intact.numerics.granularity import PerChannel, PerTensor
from intact.observers import MinMax, Percentile
from intact.ptq import BiasCorrected, Nearest, NearestInGroups, PtqRule

_INT8 = Nearest(Int(8, narrow=True), PerChannel())
_INT4 = Nearest(Int(4, narrow=True), PerChannel())
# One number in 100,000 may saturate on each side. MobileNetV2's predictions then agree with float
# more often than with MinMax; small calibration sets are covered whole.
_ACTIVATION8 = Percentile(Int(8), q=99.999)

RECIPES: dict[str, tuple[PtqRule, ...]] = {
    # Weights and activations in integers. W8A8 is TFLite's 8-bit specification.
    "W8A8": (PtqRule(weight=BiasCorrected(_INT8), activation=_ACTIVATION8),),
    "W8A8-per-tensor": (
        PtqRule(weight=Nearest(Int(8, narrow=True), PerTensor()), activation=MinMax(Int(8))),
    ),
    "W8A16": (PtqRule(weight=BiasCorrected(_INT8), activation=MinMax(Int(16), symmetric=True)),),
    "W4A8": (PtqRule(weight=BiasCorrected(_INT4), activation=_ACTIVATION8),),
    # No calibration: each layer quantizes what it reads when it runs.
    "dynamic-int8": (PtqRule(weight=_INT8, activation=Dynamic(Int(8))),),
    # Smaller files; the network computes in float32.
    "float16": (PtqRule(weight=Nearest(FP16, PerTensor())),),
    "bfloat16": (PtqRule(weight=Nearest(BF16, PerTensor())),),
    "W8": (PtqRule(weight=_INT8),),
    "W4-g32": (PtqRule(weight=NearestInGroups(Int(4, narrow=True), 32)),),
}


def recipe(name: str) -> tuple[PtqRule, ...]:
    """The rules of a recipe.

    Raises:
        ValueError: if there is no recipe of that name; it lists the nearest.
    """
    if name not in RECIPES:
        nearest = difflib.get_close_matches(name, RECIPES, n=3, cutoff=0.3) or list(RECIPES)
        raise ValueError(f'there is no recipe "{name}"; the nearest are {", ".join(nearest)}')
    return RECIPES[name]
