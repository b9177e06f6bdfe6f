"""Layers whose forward and backward products are those of whole numbers.

`Arithmetic` chooses what multiplies them. A product is computed of real numbers, in float32, where
that is not possible:

- an operand does not lie on a grid whose codes have 8 bits: the float input of a first layer, a
  gradient without quantizer or of powers of two that are far apart, a quantizer that is delayed;
- a step would stand inside of the sum: a weight's gradient sums over samples, and g has a step for
  each (DoReFa), or an input's gradient sums over output channels, and the weight has steps for
  each of them;
- sums may not fit 32 bits.

A convolution whose gradient has a step for each sample has a product for each sample, and the
products times their steps are summed in float32. Convolutions of groups, of one axis or with uneven
padding are computed of real numbers, too.

Which arithmetic computes each product was found by the last step: `float_products`.
"""

import math
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from intact.capture.torch_ops import compute
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.ir.scans import every_node
from intact.qat.level_products import (
    LevelProducts,
    convolution_input_gradient,
    convolution_weight_gradient,
)
from intact.qat.levels import HasLevels, HasSteps, Steps, recovered
from intact.qat.products import Arithmetic, Layer, Multiplier, Operand, Product
from intact.qat.protocol import FakeWeight, GradientQuantizer

_SUMS = 1 << 31


@dataclass(frozen=True, slots=True)
class FloatProduct:
    """A product that was computed of real numbers, and why."""

    layer: str
    product: Product
    reason: str


@dataclass(slots=True)
class LowPrecisionLayer:
    """One layer with a weight."""

    op: Layer
    arithmetic: Arithmetic
    weight: FakeWeight
    gradient: GradientQuantizer | None
    reasons: dict[Product, str] = field(default_factory=dict)  # why products were float

    def __call__(
        self, x: Tensor, steps: Steps | None, weight: Tensor, bias: Tensor | None, raw: Tensor
    ) -> Tensor:
        """The layer's output; its gradient is rounded in the backward pass.

        Args:
            x: The input.
            steps: The grid that it lies on; None: on none.
            weight: The quantized weight.
            bias: The bias.
            raw: The weight before it was quantized.
        """
        self.reasons.clear()
        w_steps = self.weight.steps(raw) if isinstance(self.weight, HasSteps) else None
        found: Tensor = _Function.apply(x, weight, bias, self, steps, w_steps)  # type: ignore[no-untyped-call]
        return found

    def operand(self, real: Tensor, steps: Steps | None, *, shifted: bool) -> Operand | None:
        """Numbers as levels, if they are."""
        if steps is None or not _fits(steps, shifted=shifted):
            return None
        levels = recovered(real, steps)
        return None if levels is None else self.multiplier(real.device).operand(levels)

    def multiplier(self, device: torch.device) -> Multiplier:
        """What multiplies on a device; integers are for the CPU."""
        if self.arithmetic is Arithmetic.LEVELS or device.type != "cpu":
            return LevelProducts(self.op)
        # Needs the native engine, which an unbuilt source tree lacks.
        from intact.qat.integer_products import ConvolutionIntegers, LinearIntegers

        return LinearIntegers() if isinstance(self.op, ops.Linear) else ConvolutionIntegers(self.op)


@dataclass(frozen=True, slots=True)
class LowPrecision:
    """The layers of a network whose products are those of whole numbers; by their names."""

    layers: dict[str, LowPrecisionLayer]
    real: dict[str, str]  # why all products of others are of real numbers

    @classmethod
    def of(
        cls, graph: Graph[FloatOp], arithmetic: Arithmetic, weights: Mapping[str, FakeWeight],
        gradients: Mapping[str, GradientQuantizer], *, folded: Container[str],
    ) -> "LowPrecision":  # fmt: skip
        """Those of a graph.

        Args:
            graph: The network.
            arithmetic: Of the products.
            weights: The quantizers, by the constants' names.
            gradients: The quantizers, by the layers' names.
            folded: Layers whose weight is quantized with the factor of a BatchNorm.
        """
        found = cls({}, {})
        nodes = () if arithmetic is Arithmetic.REAL else every_node(graph)
        for node in nodes:
            op, name = node.op, node.name
            if not isinstance(op, ops.Conv | ops.ConvTranspose | ops.Linear):
                continue
            weight = weights.get(node.inputs[1].name)
            reason = _why_real(op, quantized=weight is not None, folded=name in folded)
            if reason is not None:
                found.real[name] = reason
            elif weight is not None and not isinstance(op, ops.ConvTranspose):
                found.layers[name] = LowPrecisionLayer(op, arithmetic, weight, gradients.get(name))
        return found

    def float_products(self) -> tuple[FloatProduct, ...]:
        """What the last step computed of real numbers though `Arithmetic` is another one."""
        known = {name: dict.fromkeys(Product, reason) for name, reason in self.real.items()}
        found = {name: layer.reasons for name, layer in self.layers.items()}
        return tuple(
            FloatProduct(name, product, reason)
            for name, reasons in (known | found).items()
            for product, reason in reasons.items()
        )


def _why_real(op: FloatOp, *, quantized: bool, folded: bool) -> str | None:
    """Why none of a layer's products can be those of whole numbers; None: some may be."""
    if not quantized:
        return "the weight stays float"
    if folded:
        return "a BatchNorm is folded into the weight"
    match op:
        case ops.Linear():
            return None
        case ops.Conv(stride, padding, _, groups):
            even = all(before == behind for before, behind in padding)
            plain = groups == 1 and len(stride) == 2 and even
            return None if plain else "the convolution has groups, one axis or uneven padding"
        case _:
            return "the convolution is transposed"


class _Function(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, layer: LowPrecisionLayer,
        x_steps: Steps | None, w_steps: Steps | None,
    ) -> Tensor:  # fmt: skip
        ctx.layer, ctx.x_shape, ctx.w_shape = layer, tuple(x.shape), tuple(weight.shape)
        ctx.x = layer.operand(x, x_steps, shifted=True)
        ctx.weight = layer.operand(weight, w_steps, shifted=False)
        # What is not levels is needed as it is.
        ctx.save_for_backward(x if ctx.x is None else None, weight if ctx.weight is None else None)
        reason = _why(ctx.x, ctx.weight, ("input", "weight"), weight[0].numel())
        if reason is not None:
            layer.reasons[Product.FORWARD] = reason
            given = [x, weight] if bias is None else [x, weight, bias]
            return compute(layer.op, given, batch=len(x), training=True)
        sums = layer.multiplier(x.device).forward(ctx.x, ctx.weight)
        y = _scaled(sums, ctx.x.steps.size.reshape(()) * _outputs(ctx.weight.steps.size, layer.op))
        return y if bias is None else y.add_(_outputs(bias, layer.op))

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        needs_x, needs_weight, needs_bias, *_ = ctx.needs_input_grad
        g = _Gradient.of(ctx.layer, dy.float())
        dx = _input_gradient(ctx, g) if needs_x else None
        dw = _weight_gradient(ctx, g) if needs_weight else None
        channel = -1 if isinstance(ctx.layer.op, ops.Linear) else 1
        db = g.real().transpose(0, channel).flatten(1).sum(1) if needs_bias else None
        return dx, dw, db, None, None, None


@dataclass(frozen=True, slots=True)
class _Gradient:
    """What arrives at a layer's output, rounded: as levels, if it is, and as numbers."""

    operand: Operand | None
    real: Callable[[], Tensor]
    numbers: int

    @classmethod
    def of(cls, layer: LowPrecisionLayer, dy: Tensor) -> "_Gradient":
        quantizer = layer.gradient
        if not isinstance(quantizer, HasLevels):
            real = dy if quantizer is None else quantizer(dy)
            return cls(None, lambda: real, dy.numel())
        levels = quantizer.levels(dy)
        if levels is None:
            return cls(None, lambda: quantizer(dy), dy.numel())
        if not (bool(levels.steps.size.isfinite().all()) and _fits(levels.steps, shifted=False)):
            return cls(None, levels.real, dy.numel())
        operand = layer.multiplier(dy.device).operand(levels)
        return cls(operand, levels.real, dy.numel())


def _input_gradient(ctx: Any, g: _Gradient) -> Tensor:
    op: Layer = ctx.layer.op
    weight: Operand | None = ctx.weight
    depth = ctx.w_shape[0] * math.prod(ctx.w_shape[2:])
    reason = _why(g.operand, weight, ("gradient", "weight"), depth)
    if reason is None and weight is not None and not weight.steps.is_single:
        reason = "the weight has a step for each output channel, of which this is a sum"
    if reason is None and weight is not None and g.operand is not None:
        multiplier: Multiplier = ctx.layer.multiplier(weight.steps.size.device)
        sums = multiplier.input_gradient(g.operand, weight, ctx.x_shape)
        return _scaled(sums, g.operand.steps.size * weight.steps.size.reshape(()))
    ctx.layer.reasons[Product.INPUT_GRADIENT] = reason
    real: Tensor = weight.real() if weight is not None else ctx.saved_tensors[1].float()
    if isinstance(op, ops.Linear):
        return g.real() @ real
    return convolution_input_gradient(op, g.real(), real, ctx.x_shape)


def _weight_gradient(ctx: Any, g: _Gradient) -> Tensor:
    op: Layer = ctx.layer.op
    x: Operand | None = ctx.x
    single = g.operand is None or g.operand.steps.is_single
    depth = g.numbers // ctx.w_shape[0] // (1 if single else ctx.x_shape[0])
    reason = _why(g.operand, x, ("gradient", "input"), depth)
    if reason is None and not single and depth == 1:
        reason = "the gradient has a step for each sample, of which this is a sum"
    if reason is None and g.operand is not None:
        return _weight_sums(ctx, g.operand, single=single)
    ctx.layer.reasons[Product.WEIGHT_GRADIENT] = reason
    real: Tensor = x.real() if x is not None else ctx.saved_tensors[0].float()
    if isinstance(op, ops.Linear):
        return g.real().flatten(0, -2).t() @ real.flatten(0, -2)
    return convolution_weight_gradient(op, g.real(), real, ctx.w_shape)


def _weight_sums(ctx: Any, g: Operand, *, single: bool) -> Tensor:
    """g^T x; with a step for each sample, a product for each of them."""
    x: Operand = ctx.x
    steps = g.steps.size * x.steps.size.reshape(())
    multiplier: Multiplier = ctx.layer.multiplier(steps.device)
    if single:
        return _scaled(multiplier.weight_gradient(g, x, ctx.w_shape), steps.reshape(()))
    found = torch.zeros(ctx.w_shape, device=steps.device)
    for number, step in enumerate(steps.flatten()):
        sums = multiplier.weight_gradient(g.sample(number), x.sample(number), ctx.w_shape)
        found += _scaled(sums, step)
    return found


def _fits(steps: Steps, *, shifted: bool) -> bool:
    """Whether levels are 8-bit codes, less a zero point if they may be shifted."""
    if shifted:
        return steps.high - steps.low < 1 << 8 and steps.low <= 0 <= steps.high
    return steps.low >= -128 and steps.high <= 127


def _why(a: Operand | None, b: Operand | None, names: tuple[str, str], depth: int) -> str | None:
    """Why a product of two operands is one of real numbers; None: it is not."""
    for operand, name in zip((a, b), names, strict=True):
        if operand is None:
            return f"the {name} has no grid of at most 8 bits"
    assert a is not None
    assert b is not None
    if depth * a.steps.reach * b.steps.reach >= _SUMS:
        return "sums may reach 2**31"
    return None


def _scaled(sums: Tensor, scale: Tensor) -> Tensor:
    """In one order of axes, whatever multiplied: later sums depend on it."""
    form = torch.channels_last if sums.ndim == 4 else torch.contiguous_format
    return (sums.to(torch.float32) * scale).contiguous(memory_format=form)


def _outputs(numbers: Tensor, op: Layer) -> Tensor:
    """A number for each output channel, or for all, to broadcast against the output."""
    if numbers.numel() == 1:
        return numbers.reshape(())
    return numbers.flatten() if isinstance(op, ops.Linear) else numbers.reshape(-1, 1, 1)
