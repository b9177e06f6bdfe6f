"""SimQAT's options: quantization-aware training as MindSpore Golden Stick configures it.

For users who come from there: its names, and what they mean here. Pairs are (activation, weight),
and one value stands for both. Golden Stick has three sets of defaults, of the class, of a
configuration as a dict, and of its README; ours are beside them:

    option         class           dict            README          here
    per_channel    (False, False)  (False, True)   (False, True)   (False, True)
    symmetric      (False, False)  (False, True)   -               (False, True)
    narrow_range   (False, False)  (False, False)  -               (False, False)
    quant_delay    (0, 0)          (0, 0)          -               (0, 0)
    quant_dtype    INT8, no other                                  Int(8), or another
    freeze_bn      10,000,000, with two convolutions only          10,000,000, in every mode
    bn_fold        False                                           False
    one_conv_fold  True                                            True
    enable_fusion  False                                           True, no other

Activations are rounded where integers are, behind a BatchNorm and a fused activation; so fusion
cannot be switched off. Ranges of activations are moving averages that begin with the first batch;
Golden Stick's begin at -6 and 6 and are those of the last batch. Without `bn_fold` the BatchNorm
folds when the network is converted, its factor going into the scales.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias, TypeVar

from intact.numerics.formats import Int
from intact.numerics.granularity import PerChannel, PerTensor
from intact.observers.params import check_settings
from intact.qat.batchnorm import BatchNormTraining, Fold
from intact.qat.minmax import MinMaxWeight, MovingAverageActivation
from intact.qat.protocol import QatRule
from intact.qat.recipe import QatRecipe

_INT8 = Int(8)
T = TypeVar("T")
Both: TypeAlias = T | tuple[T, T]


@dataclass(frozen=True, kw_only=True)
class SimQat:
    """``prepare(model, SimQat(bn_fold=True).recipe())``, with Golden Stick's options.

    `quant_delay` counts batches in which numbers pass unrounded, `freeze_bn` batches until the
    statistics of BatchNorms stand still. `bn_fold` quantizes weights with the BatchNorm's factor,
    by one convolution a batch or, without `one_conv_fold`, by two.

    Raises:
        ValueError: for what integers cannot do: activations per channel, no fusion, or a symmetric
            unsigned type.
    """

    quant_delay: Both[int] = 0
    quant_dtype: Both[Int] = _INT8
    per_channel: Both[bool] = (False, True)
    symmetric: Both[bool] = (False, True)
    narrow_range: Both[bool] = False
    enable_fusion: bool = True
    freeze_bn: int = 10_000_000
    bn_fold: bool = False
    one_conv_fold: bool = True

    def __post_init__(self) -> None:
        activation, weight = self._formats()
        symmetric = _pair(self.symmetric)
        check_settings(activation, symmetric[0])
        check_settings(weight, symmetric[1])
        if _pair(self.per_channel)[0]:
            raise ValueError("activations have one scale: set per_channel=(False, True)")
        if not self.enable_fusion:
            raise ValueError(
                "activations are rounded behind BatchNorm and fused activation, where integers are:"
                " leave enable_fusion=True"
            )

    def rules(self) -> tuple[QatRule, ...]:
        """The one rule, which matches every layer; put others before it."""
        activation, weight = self._formats()
        symmetric, delay = _pair(self.symmetric), _pair(self.quant_delay)
        granularity = PerChannel() if _pair(self.per_channel)[1] else PerTensor()
        return (
            QatRule(
                weight=partial(
                    MinMaxWeight,
                    format=weight,
                    granularity=granularity,
                    symmetric=symmetric[1],
                    delay=delay[1],
                ),
                activation=partial(
                    MovingAverageActivation,
                    format=activation,
                    symmetric=symmetric[0],
                    delay=delay[0],
                ),
            ),
        )

    def recipe(self) -> QatRecipe:
        """The rule, and how BatchNorms train."""
        folded = Fold.ONE_CONV if self.one_conv_fold else Fold.TWO_CONV
        training = BatchNormTraining(
            fold=folded if self.bn_fold else Fold.NONE, freeze_after=self.freeze_bn
        )
        return QatRecipe(rules=self.rules(), batchnorm=training)

    def _formats(self) -> tuple[Int, Int]:
        types, narrow = _pair(self.quant_dtype), _pair(self.narrow_range)
        return replace(types[0], narrow=narrow[0]), replace(types[1], narrow=narrow[1])


def _pair(option: Both[T]) -> tuple[T, T]:
    return option if isinstance(option, tuple) else (option, option)
