"""Rules of a recipe, changed for some layers only."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from glob import escape
from typing import TypeAlias

from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.numerics.formats import Int
from intact.passes.placement import Fixed, Fused, HasWeight, Place, Shared, placement
from intact.ptq import (
    BiasCorrected,
    LeastSquares,
    LeastSquaresInGroups,
    Nearest,
    NearestInGroups,
    PtqRule,
    Recipe,
    SQuant,
    WeightMethod,
)
from intact.ptq.calibrate import choose

Layers: TypeAlias = Collection[str] | None  # names of nodes and inputs; None: everywhere
Change: TypeAlias = Callable[[PtqRule], PtqRule]


def stored_output(places: Mapping[str, Place], layer: str) -> str:
    """The value whose parameters the output of a layer has: it may be another's."""
    name = layer
    while name in places:
        match places[name]:
            case Fused(into):
                name = into
            case Shared(source) | Fixed(_, source):
                name = source
            case _:
                break
    return name


def weight_bits(method: WeightMethod | None) -> int:
    """Of the codes; those of a method that has no integer format are many."""
    match method:
        case BiasCorrected(inner) | SQuant(inner):
            return weight_bits(inner)
        case (
            Nearest(Int(bits))
            | NearestInGroups(Int(bits))
            | LeastSquares(Int(bits))
            | LeastSquaresInGroups(Int(bits))
        ):
            return bits
        case _:
            return 32


def on_weights(change: Callable[[WeightMethod], WeightMethod]) -> Change:
    """Changes the method that a rule gives weights, also within `BiasCorrected` and `SQuant`."""

    def within(method: WeightMethod) -> WeightMethod:
        match method:
            case BiasCorrected(inner):
                return BiasCorrected(within(inner))
            case SQuant(inner):
                return SQuant(within(inner))
            case _:
                return change(method)

    def on_rule(rule: PtqRule) -> PtqRule:
        return rule if rule.weight is None else replace(rule, weight=within(rule.weight))

    return on_rule


def sharing(graph: Graph[FloatOp], layers: Layers) -> Layers:
    """The layers, and others that read the same weights: they must be quantized alike."""
    if layers is None:
        return None
    weighted = [node for node in graph.nodes if isinstance(node.op, HasWeight)]
    read = {node.inputs[1].name for node in weighted if node.name in layers}
    return [node.name for node in weighted if node.inputs[1].name in read]


def outputs(graph: Graph[FloatOp], layers: Layers) -> Layers:
    """The values that hold the codes of the layers' outputs."""
    if layers is None:
        return None
    places = placement(graph)
    return list(dict.fromkeys(stored_output(places, layer) for layer in layers))


def changed(recipe: Recipe, graph: Graph[FloatOp], layers: Layers, change: Change) -> Recipe:
    """The recipe with the rules of the named nodes and inputs changed."""
    if layers is None:
        return replace(recipe, rules=tuple(map(change, recipe.rules)))
    chosen = choose(graph, recipe.rules)
    exact: dict[str, PtqRule] = {}
    for name in layers:
        rule = chosen.get(name)
        if rule is not None and change(rule) != rule:
            exact[escape(name)] = replace(change(rule), match=escape(name))
    others = (rule for rule in recipe.rules if rule.match not in exact)
    return replace(recipe, rules=(*exact.values(), *others))
