"""Samples made of what BatchNorms remember, for users who may not share any.

Cai et al. 2020, "ZeroQ: a novel zero shot quantization framework", section 3.1: a batch x of noise
is changed by Adam until each BatchNorm reads what it read in training,

    minimize over x:  mean over BatchNorms l and channels c of
        ((m_lc(x) - mean_lc)**2 + (d_lc(x) - deviation_lc)**2) / (variance_lc + eps_l),

with m and d the mean and the deviation of the batch, over samples and places. (ZeroQ does not
divide; here a layer of large numbers counts no more than others.) To this a classifier adds w times
the cross-entropy of a class drawn for each sample (Yin et al. 2020, "Dreaming to distill", section
3.2): otherwise no sample is of any class, and ranges behind the last BatchNorm become too small.

The noise is even over the input's range, and what leaves it is cut off after each step: of the
input itself nothing is remembered. Without a range the noise is normal. The samples look like
nothing, but activations have the ranges and means that they have on real ones.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from intact.capture.module import CapturedModule, from_graph
from intact.errors import CalibrationError
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Value, with_batch
from intact.numerics.formats import Float
from intact.ptq.data_free import IMAGES, check_range
from intact.ptq.protocol import Progress, silent
from intact.ptq.samples import batch_axis


@dataclass(frozen=True, slots=True, kw_only=True)
class Distillation:
    """Makes samples for a network with BatchNorms; the same for the same seed."""

    samples: int = 32
    seed: int = 0
    # Of the inputs; None: IMAGES for (N, 1 or 3, H, W), and no bound for other inputs.
    input_range: tuple[float, float] | None = None
    steps: int = 60
    rate: float = 0.2  # of Adam, falling to 0 along half a cosine
    batch: int = 16  # samples that match the statistics together
    classes: float = 0.02  # w above; 0 leaves the term out

    def __post_init__(self) -> None:
        for name in ("samples", "steps", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        check_range(self.input_range)

    def __call__(
        self, graph: Graph[FloatOp], progress: Progress = silent
    ) -> list[tuple[Tensor, ...]]:
        """Batches of the graph's inputs.

        Args:
            graph: The captured network, its BatchNorms not folded.
            progress: Told of "distilling samples" and how many steps are done.

        Raises:
            CalibrationError: if there is no BatchNorm, or an input is not of real numbers.
        """
        match = Matching(graph)
        generator = torch.Generator().manual_seed(self.seed)
        sizes = self._sizes(graph.inputs)
        found = []
        for number, size in enumerate(sizes):
            inputs = [self._noise(value, size, generator) for value in graph.inputs]

            def told(step: int, before: int = number * self.steps) -> None:
                progress("distilling samples", before + step, len(sizes) * self.steps)

            drawn = torch.rand(size, generator=generator)
            found.append(self._optimized(match, graph.inputs, inputs, drawn, told))
        return found

    def _sizes(self, inputs: Sequence[Value]) -> list[int]:
        """Samples of each batch; of 1 where the network's batch size is fixed."""
        if all(batch_axis(value.shape) is None for value in inputs):
            return [1] * self.samples
        count = math.ceil(self.samples / self.batch)
        return [(self.samples + i) // count for i in range(count)]

    def _noise(self, value: Value, size: int, generator: torch.Generator) -> Tensor:
        if not isinstance(value.dtype, Float):
            raise CalibrationError(
                f'samples of "{value.name}" are {value.dtype}, and only real numbers can be'
                " distilled; give calibration data"
            )
        shape, limits = with_batch(value.shape, size), self._limits(value)
        noise = _octaves(shape, generator)
        if limits is None:
            return noise
        middle, deviation = sum(limits) / 2, (limits[1] - limits[0]) / math.sqrt(12)
        return (middle + deviation * noise).clamp(*limits)

    def _limits(self, value: Value) -> tuple[float, float] | None:
        image = len(value.shape) == 4 and value.shape[1] in (1, 3)
        return self.input_range or (IMAGES if image else None)

    def _optimized(
        self,
        match: "Matching",
        values: Sequence[Value],
        inputs: list[Tensor],
        drawn: Tensor,
        told: Callable[[int], None],
    ) -> tuple[Tensor, ...]:
        moving = [x.requires_grad_() for x in inputs]
        adam = torch.optim.Adam(moving, self.rate)
        falling = torch.optim.lr_scheduler.CosineAnnealingLR(adam, self.steps)
        for step in range(self.steps):
            with torch.enable_grad():  # whatever the caller has switched off
                loss = match.loss(moving, drawn, self.classes)
                # Zeros for an input that no BatchNorm reads.
                gradients = torch.autograd.grad(loss, moving, materialize_grads=True)
            for x, gradient in zip(moving, gradients, strict=True):
                x.grad = gradient
            adam.step()
            falling.step()
            with torch.no_grad():
                for value, x in zip(values, moving, strict=True):
                    limits = self._limits(value)
                    if limits is not None:
                        x.clamp_(*limits)
            told(step + 1)
        return tuple(x.detach() for x in moving)


class Matching:
    """How far a batch's statistics are from those that the BatchNorms of a network remember.

    Raises:
        CalibrationError: if the network has no BatchNorm.
    """

    def __init__(self, graph: Graph[FloatOp]) -> None:
        self._module = _frozen(graph)
        self._norms: dict[str, list[tuple[Tensor, Tensor, float]]] = {}
        for node in graph.nodes:
            if isinstance(node.op, ops.BatchNorm):
                x, _, _, mean, variance = (value.name for value in node.inputs)
                remembered = (
                    self._module.constant(mean), self._module.constant(variance), node.op.eps
                )  # fmt: skip
                self._norms.setdefault(x, []).append(remembered)
        if not self._norms:
            raise CalibrationError(
                "the network has no BatchNorm to distill samples from (folded ones have forgotten"
                " their statistics); give calibration data"
            )

    def distance(self, inputs: Sequence[Tensor]) -> Tensor:
        """The mean squared distance, in variances; differentiable."""
        return self._run(inputs)[0]

    def loss(self, inputs: Sequence[Tensor], drawn: Tensor, weight: float) -> Tensor:
        """With a classifier's cross-entropy of the classes at `drawn` (N,), numbers 0 to 1."""
        distance, outputs = self._run(inputs)
        logits = outputs[0]
        if logits.ndim != 2 or len(logits) != len(drawn) or logits.shape[1] < 2:
            return distance
        classes = (drawn * logits.shape[1]).long()
        return distance + weight * functional.cross_entropy(logits, classes)

    def _run(self, inputs: Sequence[Tensor]) -> tuple[Tensor, tuple[Tensor, ...]]:
        terms: list[Tensor] = []

        def see(name: str, x: Tensor) -> None:
            for mean, variance, eps in self._norms.get(name, ()):
                rest = [axis for axis in range(x.ndim) if axis != 1]
                spread, centre = torch.var_mean(x, rest, correction=0)
                deviations = (spread + eps).sqrt() - (variance + eps).sqrt()
                squares = (centre - mean).square() + deviations.square()
                terms.append((squares / (variance + eps)).mean())

        outputs = self._module.run(inputs, see)
        return torch.stack(terms).mean(), outputs


def _octaves(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """Normal noise (N, C, *space), of images as much at each scale as at any other.

    Photographs are so (their amplitudes fall with 1 / frequency); white noise has no differences
    between samples left where places are averaged.
    """
    noise = torch.randn(*shape, generator=generator)
    if len(shape) != 4:
        return noise
    size, count = max(shape[2:]), 1
    while size > 1:
        size, count = size // 2, count + 1
        coarse = [max(1, n * size // max(shape[2:])) for n in shape[2:]]
        wave = torch.randn(*shape[:2], *coarse, generator=generator)
        noise += functional.interpolate(wave, tuple(shape[2:]), mode="bilinear")
    return noise / math.sqrt(count)


def _frozen(graph: Graph[FloatOp]) -> CapturedModule:
    return from_graph(graph).eval().requires_grad_(requires_grad=False)
