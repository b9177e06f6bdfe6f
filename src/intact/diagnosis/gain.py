"""What a cure gains: the layer alone is quantized again with it, and its noise added as before."""

from collections.abc import Sequence
from dataclasses import replace
from glob import escape

import numpy as np
import torch

from intact.diagnosis.cures import Cure
from intact.diagnosis.noise import Tally, tally
from intact.diagnosis.walk import Part, Piece, Walk
from intact.lower.lower import lower
from intact.numerics.arrays import Array
from intact.ptq import PtqRule, Recipe, quantize
from intact.ptq.calibrate import choose


def cured_outputs(
    walk: Walk,
    part: Part,
    layer: str,
    cure: Cure | None,
    recipe: Recipe,
    inputs: Sequence[torch.Tensor],
) -> Tally:
    """The noise of the network's outputs if only one layer makes some, after a cure.

    Args:
        walk: The networks.
        part: The layer between the values that it reads and its output.
        layer: What the cure changes.
        cure: A change of the recipe; None: as the recipe says, only calibrated on these samples.
        recipe: That made the network.
        inputs: Samples of the network.
    """
    changed = recipe if cure is None else cure.apply(recipe, walk.reference, [layer])
    chosen = choose(walk.reference, changed.rules)
    names = [value.name for value in (*part.graph.inputs, *(n.output for n in part.graph.nodes))]
    rules = [_exactly(chosen[name], name) for name in names if name in chosen]
    values = walk.values(inputs, names)
    batch = tuple(values[value.name] for value in part.graph.inputs)
    alone = Walk(part.graph, lower(quantize(part.graph, rules, [batch])))
    # One batch may run in several pieces; their errors lie behind each other.
    errors = [error for piece in alone.runs([batch]) for error in _last_error(piece)]
    name = part.graph.outputs[0].name
    outputs = walk.outputs(inputs, {name: np.concatenate(errors)})
    clean = walk.outputs(inputs, {})
    return sum((tally(x, y) for x, y in zip(outputs, clean, strict=True)), Tally())


def _last_error(piece: Piece) -> list[Array]:
    *_, last = piece.layers
    assert last.alone is not None
    assert last.alone_real is not None
    return [np.asarray(last.alone - last.alone_real, np.float32)]


def _exactly(rule: PtqRule, name: str) -> PtqRule:
    return replace(rule, match=escape(name))
