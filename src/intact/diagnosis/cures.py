"""Cures: changes of a recipe that take noise away, from the cheapest to the dearest.

A cure of some layers puts rules before the recipe's own that match exactly these layers and keep
what else was decided about them. `layers` None is everywhere: the recipe's own rules are changed.

1. PER_CHANNEL, LEAST_SQUARED_ERROR: nothing at run time. EQUALIZED and REPAIRED change the float
   network without changing its function, always as a whole.
2. BIAS_CORRECTED: the mean input of each layer from calibration; nothing at run time.
3. LEARNED_ROUNDING: time to quantize, where weights have fewer than 8 bits; with 8 the noise of
   rounding them is small beside that of activations.
4. EIGHT_BIT_WEIGHTS: bytes, in the same places.
5. SIXTEEN_BITS: the output of a layer in 16 bits, for memory and time. The value that holds the
   layer's codes is found by `placement`: a fused ReLU's output for the layer before it, the input
   of a pooling that keeps its codes. Operations between 8 and 16 bits are integers on both sides.
6. KEEP_FLOAT: a layer with a weight computes in float and has 16-bit codes on its output, so that
   those who read it remain integers. Any other operation gets a float output, and its readers
   compute in float as well.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from glob import escape
from typing import TypeAlias

from intact.diagnosis.blame import Blame
from intact.diagnosis.rewriting import (
    Layers,
    changed,
    on_weights,
    outputs,
    sharing,
    weight_bits,
)
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.model import Dynamic
from intact.numerics.formats import Int
from intact.numerics.granularity import PerChannel, PerTensor
from intact.observers import MinMax, Mse
from intact.passes.placement import HasWeight
from intact.ptq import (
    BiasCorrected,
    DeadChannelRepair,
    LeastSquares,
    LeastSquaresInGroups,
    Nearest,
    NearestInGroups,
    PtqRule,
    Recipe,
    WeightMethod,
)
from intact.ptq.adaround import AdaRound
from intact.ptq.calibrate import choose
from intact.ptq.equalization import Equalize

Apply: TypeAlias = Callable[[Recipe, Graph[FloatOp], Layers], Recipe]
Guilt: TypeAlias = Callable[[Blame], float]

_ENOUGH = 8  # bits of a weight
_WIDE = MinMax(Int(16), symmetric=True)


@dataclass(frozen=True, slots=True)
class Cure:
    """A change of a recipe.

    `apply(recipe, graph, layers)` gives the changed recipe, or an equal one where there is nothing
    to change; `graph` is the prepared float network without BatchNorm (`Quantized.reference`).
    """

    name: str  # what programs read
    words: str  # what people read: "<layer>: <words>"
    price: str  # what it costs, for people
    apply: Apply
    guilt: Guilt | None = None  # of a layer; None: so cheap that it is done everywhere
    most: float = 1.0  # the largest share of the layers that it is for
    growth: int = 2  # the next set of layers is so many times as large

    def titled(self, layers: Layers) -> str:
        """With the number of layers, as in ``sixteen_bits(3)``."""
        return self.name if layers is None else f"{self.name}({len(layers)})"


def per_channel(recipe: Recipe, graph: Graph[FloatOp], layers: Layers = None) -> Recipe:
    """A scale for each output channel where a weight has one for all."""

    def finer(method: WeightMethod) -> WeightMethod:
        match method:
            case Nearest(Int(), PerTensor()) | LeastSquares(Int(), PerTensor()):
                return replace(method, granularity=PerChannel())
            case _:
                return method

    return changed(recipe, graph, sharing(graph, layers), on_weights(finer))


def least_squared_error(recipe: Recipe, graph: Graph[FloatOp], layers: Layers = None) -> Recipe:
    """Ranges of the smallest squared error: `LeastSquares` of weights, `Mse` of activations."""

    def searched(method: WeightMethod) -> WeightMethod:
        match method:
            case Nearest(Int() as format, granularity, symmetric):
                return LeastSquares(format, granularity, symmetric)
            case NearestInGroups(Int() as format, size, symmetric):
                return LeastSquaresInGroups(format, size, symmetric)
            case _:
                return method

    def squared(rule: PtqRule) -> PtqRule:
        observer = rule.activation
        if observer is None or isinstance(observer, Dynamic):
            return rule
        return replace(rule, activation=Mse(observer.format, symmetric=observer.symmetric))

    recipe = changed(recipe, graph, sharing(graph, layers), on_weights(searched))
    return changed(recipe, graph, outputs(graph, layers), squared)


def equalized(
    recipe: Recipe,
    graph: Graph[FloatOp],  # noqa: ARG001
    layers: Layers = None,  # noqa: ARG001
) -> Recipe:
    """Equal weight ranges for the channels between layers; of the whole network in any case."""
    if any(isinstance(preparation, Equalize) for preparation in recipe.before):
        return recipe
    return replace(recipe, before=(*recipe.before, Equalize()))


def repaired(
    recipe: Recipe,
    graph: Graph[FloatOp],  # noqa: ARG001
    layers: Layers = None,  # noqa: ARG001
) -> Recipe:
    """Dead channels become constants, everywhere; their weights would stretch a shared range."""
    if any(isinstance(preparation, DeadChannelRepair) for preparation in recipe.before):
        return recipe
    return replace(recipe, before=(*recipe.before, DeadChannelRepair()))


def bias_corrected(recipe: Recipe, graph: Graph[FloatOp], layers: Layers = None) -> Recipe:
    """Biases that make up for the mean error of rounded weights."""

    def corrected(rule: PtqRule) -> PtqRule:
        if rule.weight is None or isinstance(rule.weight, BiasCorrected):
            return rule
        return replace(rule, weight=BiasCorrected(rule.weight))

    return changed(recipe, graph, sharing(graph, layers), corrected)


def learned_rounding(recipe: Recipe, graph: Graph[FloatOp], layers: Layers = None) -> Recipe:
    """AdaRound on weights of fewer than 8 bits."""
    chosen = choose(graph, recipe.rules)
    weighted = [node.name for node in graph.nodes if isinstance(node.op, HasWeight)]
    wanted = weighted if layers is None else sharing(graph, layers) or ()
    coarse = {n for n in wanted if n in chosen and weight_bits(chosen[n].weight) < _ENOUGH}
    done = [way for way in recipe.after if isinstance(way, AdaRound)]
    todo = coarse - {n for n in coarse for way in done if any(fnmatchcase(n, m) for m in way.match)}
    if not todo:
        return recipe
    match = tuple(escape(name) for name in weighted if name in coarse)
    return replace(recipe, after=(*recipe.after, AdaRound(match=match)))


def eight_bit_weights(recipe: Recipe, graph: Graph[FloatOp], layers: Layers = None) -> Recipe:
    """8-bit weights where they have fewer bits."""

    def more(method: WeightMethod) -> WeightMethod:
        match method:
            case (
                Nearest(Int() as format)
                | NearestInGroups(Int() as format)
                | LeastSquares(Int() as format)
                | LeastSquaresInGroups(Int() as format)
            ):
                return replace(method, format=replace(format, bits=max(format.bits, 8)))
            case _:
                return method

    return changed(recipe, graph, sharing(graph, layers), on_weights(more))


def sixteen_bits(recipe: Recipe, graph: Graph[FloatOp], layers: Layers = None) -> Recipe:
    """16-bit symmetric codes on the layers' outputs; `Dynamic` ones stay as they are."""
    return changed(recipe, graph, outputs(graph, layers), _widened)


def keep_float(recipe: Recipe, graph: Graph[FloatOp], layers: Layers = None) -> Recipe:
    """The layers compute in float; see the module's words on what their readers do."""
    if layers is None:
        return replace(recipe, rules=(PtqRule(),), before=(), after=())
    weighted = {node.name for node in graph.nodes if isinstance(node.op, HasWeight)}
    own = sharing(graph, [name for name in layers if name in weighted])
    recipe = sixteen_bits(recipe, graph, own)
    recipe = changed(recipe, graph, own, lambda rule: replace(rule, weight=None))
    others = outputs(graph, [name for name in layers if name not in weighted])
    return changed(recipe, graph, others, lambda rule: replace(rule, activation=None))


def _widened(rule: PtqRule) -> PtqRule:
    observer = rule.activation
    if observer is None or isinstance(observer, Dynamic) or observer.format.bits >= 16:
        return rule
    return replace(rule, activation=_WIDE)


PER_CHANNEL = Cure(
    "per_channel", "a scale for each output channel of the weight", "nothing", per_channel
)
LEAST_SQUARED_ERROR = Cure(
    "least_squared_error",
    "ranges of least squared error, which may clip",
    "nothing",
    least_squared_error,
)
EQUALIZED = Cure(
    "equalized",
    "weights of equal ranges in the channels between layers",
    "nothing; a bound for each channel where a ReLU6 was",
    equalized,
)
REPAIRED = Cure(
    "repaired",
    "channels without variance become the constants that they are",
    "nothing",
    repaired,
)
BIAS_CORRECTED = Cure(
    "bias_corrected",
    "a bias that makes up for the mean error of the rounded weight",
    "nothing",
    bias_corrected,
)
LEARNED_ROUNDING = Cure(
    "learned_rounding",
    "learned rounding of weights",
    "time to quantize",
    learned_rounding,
    guilt=lambda blame: blame.weight,
    growth=8,  # a larger set costs nothing on the device, a further candidate much time
)
EIGHT_BIT_WEIGHTS = Cure(
    "eight_bit_weights",
    "8-bit weights",
    "bytes of weights",
    eight_bit_weights,
    guilt=lambda blame: blame.weight,
)
SIXTEEN_BITS = Cure(
    "sixteen_bits",
    "16-bit activations",
    "memory and some time",
    sixteen_bits,
    guilt=lambda blame: blame.activation,
)
KEEP_FLOAT = Cure(
    "keep_float",
    "computed in float",
    "bytes, time, and integers on the device",
    keep_float,
    guilt=lambda blame: blame.share,
    most=0.5,  # more, and the network is hardly a quantized one
)
CURES: tuple[Cure, ...] = (  # from the cheapest
    PER_CHANNEL,
    LEAST_SQUARED_ERROR,
    EQUALIZED,
    BIAS_CORRECTED,
    LEARNED_ROUNDING,
    EIGHT_BIT_WEIGHTS,
    SIXTEEN_BITS,
    KEEP_FLOAT,
)
