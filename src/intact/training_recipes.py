"""Named recipes of training: what ``prepare(model, "W4A4-lsq")`` means.

Between layers, values have 8 bits: a residual stream loses little, while the layers read the bits
of the name. The first and the last layer have 8 bits, as in LSQ's experiments; DoReFa keeps these
weights float, here they are integers of 8 bits. These 8 bits have moving averages of ranges: LSQ's
first step, 2 mean|x| / sqrt(qmax), makes a range of 23 means, of which most codes stay unused.
LSQ's weights have a step for each channel (the paper: one), which costs nothing in integers.
"""

from dataclasses import replace
from functools import partial

from intact.numerics.formats import Int
from intact.numerics.granularity import PerChannel, PerTensor
from intact.qat import (
    BatchNormTraining,
    BinaryWeight,
    DorefaActivation,
    DorefaGradient,
    DorefaWeight,
    Fold,
    LinearActivation,
    LinearGradient,
    LinearWeight,
    LsqActivation,
    LsqPlusActivation,
    LsqPlusWeight,
    LsqWeight,
    MinMaxWeight,
    MovingAverageActivation,
    PactActivation,
    QatRecipe,
    QatRule,
    TernaryWeight,
    TqtActivation,
    TqtWeight,
    XnorWeight,
)
from intact.recipes import named

_AVERAGE8 = partial(MovingAverageActivation, format=Int(8))
_WEIGHT8 = partial(MinMaxWeight, format=Int(8, narrow=True), granularity=PerChannel())
_ENDS = QatRule(weight=_WEIGHT8, activation=_AVERAGE8, input=_AVERAGE8)


def _simqat(fold: Fold) -> QatRecipe:
    rule = QatRule(weight=_WEIGHT8, activation=_AVERAGE8)
    return QatRecipe(rules=(rule,), batchnorm=BatchNormTraining(fold=fold))


def _lsq(weights: int, activations: int) -> QatRecipe:
    weight = partial(LsqWeight, format=Int(weights, narrow=weights > 2), granularity=PerChannel())
    rule = QatRule(
        weight=weight, activation=_AVERAGE8, input=partial(LsqActivation, format=Int(activations))
    )
    return QatRecipe(rules=(rule,), ends=_ENDS)


def _lsq_plus(bits: int) -> QatRecipe:
    rule = QatRule(
        weight=partial(LsqPlusWeight, format=Int(bits), granularity=PerTensor()),
        activation=partial(LsqPlusActivation, format=Int(8)),
        input=partial(LsqPlusActivation, format=Int(bits)),
    )
    return QatRecipe(rules=(rule,), ends=_ENDS)


def _tqt(weights: int) -> QatRecipe:
    ends = QatRule(weight=TqtWeight, activation=TqtActivation)
    inner = replace(ends, weight=partial(TqtWeight, format=Int(weights)))
    return QatRecipe(rules=(inner,), ends=ends)


def _dorefa(weights: int, activations: int, gradients: int | None = None) -> QatRecipe:
    rule = QatRule(
        weight=partial(DorefaWeight, bits=weights),
        activation=_AVERAGE8,
        input=partial(DorefaActivation, format=Int(activations, signed=activations > 1)),
        gradient=None if gradients is None else partial(DorefaGradient, bits=gradients),
    )
    return QatRecipe(rules=(rule,), ends=_ENDS)


def _pact(bits: int) -> QatRecipe:
    rule = QatRule(
        weight=partial(DorefaWeight, bits=bits),
        activation=_AVERAGE8,
        input=partial(PactActivation, format=Int(bits)),
    )
    return QatRecipe(rules=(rule,), ends=_ENDS)


def _eight_bit_activations(weight: type[XnorWeight] | type[TernaryWeight]) -> QatRecipe:
    return QatRecipe(rules=(QatRule(weight=weight, activation=_AVERAGE8),), ends=_ENDS)


def _qnn(weights: int, activations: int, gradients: int | None = None) -> QatRecipe:
    linear = partial(LinearWeight, format=Int(max(weights, 2)))
    gradient = None if gradients is None else partial(LinearGradient, bits=gradients)
    rule = QatRule(
        weight=BinaryWeight if weights == 1 else linear,
        activation=_AVERAGE8,
        input=partial(LinearActivation, format=Int(activations)),
        gradient=gradient,
    )
    return QatRecipe(rules=(rule,), ends=_ENDS)


TRAINING_RECIPES: dict[str, QatRecipe] = {
    # Jacob et al. 2017: TFLite's 8-bit specification.
    "W8A8": _simqat(Fold.NONE),
    "W8A8-folded": _simqat(Fold.TWO_CONV),
    # Esser et al. 2020.
    "W8A8-lsq": _lsq(8, 8),
    "W4A4-lsq": _lsq(4, 4),
    "W3A3-lsq": _lsq(3, 3),
    "W2A2-lsq": _lsq(2, 2),
    # Bhalgat et al. 2020.
    "W4A4-lsq-plus": _lsq_plus(4),
    "W2A2-lsq-plus": _lsq_plus(2),
    # Jain et al. 2019: all scales are powers of two.
    "W8A8-tqt": _tqt(8),
    "W4A8-tqt": _tqt(4),
    # Choi et al. 2018, with DoReFa's weights.
    "W4A4-pact": _pact(4),
    "W2A2-pact": _pact(2),
    # Zhou et al. 2016.
    "W4A4-dorefa": _dorefa(4, 4),
    "W2A2-dorefa": _dorefa(2, 2),
    "W1A2-dorefa": _dorefa(1, 2),
    "W1A4-dorefa": _dorefa(1, 4),
    "W1A2G4-dorefa": _dorefa(1, 2, gradients=4),
    "W1A1G4-dorefa": _dorefa(1, 1, gradients=4),
    # Hubara et al. 2016; its binary weights are clipped: ``clip_after_steps``.
    "W4A4-qnn": _qnn(4, 4),
    "W2A3-qnn": _qnn(2, 3),
    "W1A2-qnn": _qnn(1, 2),
    "W1A2G6-qnn": _qnn(1, 2, gradients=6),
    # Rastegari et al. 2016, with 8 bits between layers; Li, Zhang, Liu 2016.
    "W1A8-xnor": _eight_bit_activations(XnorWeight),
    "W2A8-ternary": _eight_bit_activations(TernaryWeight),
}


def training_recipe(name: str) -> QatRecipe:
    """The recipe of a name.

    Raises:
        ValueError: if there is no recipe of that name; it lists the nearest.
    """
    return named(name, TRAINING_RECIPES)
