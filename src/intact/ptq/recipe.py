"""Recipe: everything that is done to a network, in order; `run` does it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.model import Dynamic, QuantizedModel
from intact.passes.inference import for_inference
from intact.ptq.calibrate import Observations, observe
from intact.ptq.protocol import Batch, Preparation, Progress, PtqRule, Refinement, silent
from intact.ptq.quantize import quantize_from


class Observing(Protocol):
    """A way to learn the ranges of activations and the means of layers' inputs."""

    def __call__(
        self,
        graph: Graph[FloatOp],
        rules: Sequence[PtqRule],
        batches: Iterable[Batch],
        progress: Progress,
    ) -> Observations:
        """What is known of every value whose rule has an observer.

        Args:
            graph: The prepared network, its BatchNorms not folded.
            rules: Which value gets which observer.
            batches: Calibration data; empty where there are none.
            progress: Told of what takes long.

        Raises:
            CalibrationError: if it needs samples and there are none.
        """


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is quantized: four kinds of settings, in the order in which they work.

    `before` changes the float network so that it loses less (equalization); `observe` finds the
    activations' ranges; `rules` say what gets which format and method; `after` searches for better
    codes and biases (AdaRound). `name` is what certificates and messages call it.
    """

    rules: tuple[PtqRule, ...]
    before: tuple[Preparation, ...] = ()
    observe: Observing = observe
    after: tuple[Refinement, ...] = ()
    name: str = field(default="recipe", compare=False)

    @property
    def needs_samples(self) -> bool:
        """Whether calibration data are read at all."""
        return self.rereads_samples or self._observes_samples

    @property
    def rereads_samples(self) -> bool:
        """Whether calibration data may be read more than once."""
        return bool(self.after) or any(prepare.needs_samples for prepare in self.before)

    @property
    def _observes_samples(self) -> bool:
        if self.observe is not observe:
            return False
        observers = [rule.activation for rule in self.rules]
        return any(not isinstance(observer, Dynamic | None) for observer in observers)


@dataclass(frozen=True, slots=True)
class Quantized:
    """What a recipe gave, and on the way to it."""

    model: QuantizedModel
    reference: Graph[FloatOp]  # the prepared float network, without BatchNorm
    seen: Observations


def run(
    recipe: Recipe,
    graph: Graph[FloatOp],
    batches: Iterable[Batch] = (),
    progress: Progress = silent,
) -> Quantized:
    """Does to a captured network what the recipe says.

    Args:
        recipe: The settings.
        graph: The captured network.
        batches: Calibration data, one tensor or a tuple of tensors (in the order of the graph's
            inputs) a batch. They are read once unless the recipe `rereads_samples`.
        progress: Told of what takes long.

    Raises:
        ValueError: if a rule matches nothing, or layers that share a weight disagree.
        CalibrationError: if the data are empty and needed, do not fit the inputs, or give values
            that are not finite.
    """
    for prepare in recipe.before:
        graph = prepare(graph, batches, progress)
    seen = recipe.observe(graph, recipe.rules, batches, progress)
    reference = for_inference(graph)
    model = quantize_from(reference, recipe.rules, seen)
    for refine in recipe.after:
        model = refine(model, reference, batches, progress)
    return Quantized(model, reference, seen)


def quantize(
    graph: Graph[FloatOp],
    recipe: Recipe | Sequence[PtqRule],
    batches: Iterable[Batch] = (),
    progress: Progress = silent,
) -> QuantizedModel:
    """The network that `run` gives; a list of rules is a recipe without more."""
    return run(as_recipe(recipe), graph, batches, progress).model


def as_recipe(recipe: Recipe | Sequence[PtqRule]) -> Recipe:
    """A recipe of the rules, if it is not one already."""
    return recipe if isinstance(recipe, Recipe) else Recipe(rules=tuple(recipe))
