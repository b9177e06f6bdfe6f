"""Convolutions, linear layers, products of matrices, embedding."""

from collections.abc import Sequence

import torch
from torch.nn import functional

from intact.capture.builder import Call, Constant, Operand, scalar
from intact.ir import float_ops as ops
from intact.ir.float_ops import Pads
from intact.ir.graph import Shape
from intact.numerics.formats import FP32

_BUILTIN = (".weight", "_weight")


def conv(
    c: Call,
    x: Operand,
    weight: Operand,
    bias: Operand | None = None,
    stride: Sequence[int] = (1,),
    padding: Sequence[int] | str = (0,),
    dilation: Sequence[int] = (1,),
    groups: int = 1,
) -> Operand:
    """aten.conv1d, aten.conv2d, both with numbers or a word as padding."""
    w = c.parameter(weight, "weight")
    space = w.tensor.dim() - 2
    c.need(space in (1, 2), "Only 1d and 2d convolutions are supported.")
    c.need(len(x.shape) == space + 2, "Its input needs a batch axis.")
    dilation = _spread(dilation, space)
    op = ops.Conv(_spread(stride, space), _pads(padding, w.shape[2:], dilation), dilation, groups)
    return c.emit(op, x, *_weights(c, w, bias), function=layer_name(c, w))


def conv_transpose2d(
    c: Call,
    x: Operand,
    weight: Operand,
    bias: Operand | None = None,
    stride: Sequence[int] = (1,),
    padding: Sequence[int] = (0,),
    output_padding: Sequence[int] = (0,),
    groups: int = 1,
    dilation: Sequence[int] = (1,),
) -> Operand:
    """aten.conv_transpose2d."""
    w = c.parameter(weight, "weight")
    c.need(w.tensor.dim() == 4, "Only 2d transposed convolutions are supported.")
    c.need(len(x.shape) == 4, "Its input needs a batch axis.")
    pads = tuple((p, p) for p in _spread(padding, 2))
    op = ops.ConvTranspose(
        _spread(stride, 2), pads, _spread(output_padding, 2), _spread(dilation, 2), groups
    )
    return c.emit(op, x, *_weights(c, w, bias), function=layer_name(c, w))


def convolution(
    c: Call,
    x: Operand,
    weight: Operand,
    bias: Operand | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Operand:
    """aten.convolution, what decomposed programs hold."""
    if transposed:
        return conv_transpose2d(
            c, x, weight, bias, stride, padding, output_padding, groups, dilation
        )
    return conv(c, x, weight, bias, stride, padding, dilation, groups)


def _pads(padding: Sequence[int] | str, kernel: Shape, dilation: tuple[int, ...]) -> Pads:
    """Torch's "same" puts the odd element behind."""
    match padding:
        case "valid":
            return tuple((0, 0) for _ in kernel)
        case "same":
            totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
            return tuple((total // 2, total - total // 2) for total in totals)
        case _:
            return tuple((int(p), int(p)) for p in _spread(padding, len(kernel)))


def _spread(numbers: Sequence[int | str], axes: int) -> tuple[int, ...]:
    """One number for each axis."""
    return tuple(int(n) for n in numbers) * (axes if len(numbers) == 1 else 1)


def _weights(c: Call, weight: Constant, bias: Operand | None) -> list[Constant]:
    return [weight] if bias is None else [weight, c.parameter(bias, "bias")]


def layer_name(c: Call, weight: Constant) -> str | None:
    """What the weight calls its layer inside of the module that uses it: out_proj."""
    prefix = f"{c.origin.path}." if c.origin.path else ""
    if weight.name is None or not weight.name.startswith(prefix):
        return None
    name = weight.name[len(prefix) :]
    return next((name[: -len(end)] for end in _BUILTIN if name.endswith(end)), None) or None


def linear(c: Call, x: Operand, weight: Operand, bias: Operand | None = None) -> Operand:
    """aten.linear; a weight that is computed makes it a matmul."""
    w = c.known(weight)
    if w is None:
        product = matmul(c, x, c.permute(weight, (1, 0)))
        return product if bias is None else c.emit(ops.Add(), product, bias, function="bias")
    c.need(len(w.shape) == 2 and len(x.shape) >= 2, "Its weight and input need 2 axes or more.")
    return c.emit(ops.Linear(), x, *_weights(c, w, bias), function=layer_name(c, w))


def _transposed(c: Call, weight: Constant) -> Constant:
    """The transpose, under the parameter's own name where it is a parameter."""
    turned = c.builder.computed(weight.tensor.t(), c.origin)
    if turned.name is None and weight.name is not None:
        turned.name = f"{weight.name}_t"
        turned.origin = None
    elif turned.name is None:
        turned.role = "weight"
        turned.origin = None
    return turned


def matmul(c: Call, a: Operand, b: Operand) -> Operand:
    """aten.matmul, mm and bmm; a constant matrix on the right makes a Linear."""
    right = c.known(b)
    c.need(len(a.shape) >= 2 and len(b.shape) >= 2, "Its operands need 2 axes or more.")
    if right is not None and len(right.shape) == 2:
        weight = _transposed(c, right)
        return c.emit(ops.Linear(), a, weight, function=layer_name(c, weight))
    return c.emit(ops.MatMul(), a, b)


def addmm(
    c: Call, addend: Operand, a: Operand, b: Operand, *, beta: float = 1, alpha: float = 1
) -> Operand:
    """aten.addmm and aten.baddbmm: addend + a @ b."""
    c.need(beta == alpha == 1, "Its beta and alpha have to be 1.")
    right, bias = c.known(b), c.known(addend)
    if right is not None and bias is not None and bias.shape == right.shape[1:]:
        weight = _transposed(c, right)
        return c.emit(ops.Linear(), a, weight, bias, function=layer_name(c, weight))
    if bias is not None:
        addend = mask_addend(bias)
    return c.emit(ops.Add(), matmul(c, a, b), addend, function="add")


def mask_addend(addend: Constant) -> Constant:
    """A constant to add to scores; a mask's infinities become MASKED.

    A mask is 0 in some places and at most MASKED in all others. Softmax maps those to 0 either
    way, and integers need a finite number.
    """
    values = addend.tensor
    masked = values <= MASKED
    free = values == 0
    if not (masked.any() and free.any() and (masked | free).all()):
        return addend
    return Constant(
        values.masked_fill(masked, MASKED), role="mask", origin=addend.origin, name=addend.name
    )


MASKED = -1e4
"""Added to a score, it leaves nothing of it after the softmax, in float16 as well."""


def embedding(c: Call, weight: Operand, indices: Operand, *_: object) -> Operand:
    """aten.embedding; of constants that are repeated over the batch, the repeated embedding."""
    w = c.parameter(weight, "weight")
    producer = c.producer(indices)
    repeats = producer is not None and isinstance(producer.op, ops.Expand)
    known = c.known(producer.inputs[0] if producer is not None and repeats else indices)
    if known is not None:
        return c.expand(c.computed(functional.embedding(known.tensor, w.tensor)), c.shape)
    return c.emit(ops.Embedding(), indices, w)


def attention(
    c: Call,
    q: Operand,
    k: Operand,
    v: Operand,
    mask: Operand | None = None,
    dropout: float = 0.0,
    causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Operand:
    """aten.scaled_dot_product_attention: softmax(q * scale @ k^T + mask) @ v."""
    c.need(not enable_gqa, "Repeat the keys and values, and call it without enable_gqa.")
    q = c.emit(
        ops.Mul(), q, scalar(q.shape[-1] ** -0.5 if scale is None else scale),
        shape=q.shape, function="scale",
    )  # fmt: skip
    last = len(k.shape) - 1
    k = c.permute(k, (*range(last - 1), last, last - 1))
    shape = (*c.shape[:-1], k.shape[-1])
    scores = c.emit(ops.MatMul(), q, k, shape=shape, function="scores")
    addend = _mask(c, mask, (shape[-2], shape[-1]), causal=causal)
    if addend is not None:
        scores = c.emit(ops.Add(), scores, addend, shape=shape, function="mask")
    weights = c.emit(ops.Softmax(len(shape) - 1), scores, shape=shape, function="softmax")
    if dropout > 0:
        weights = c.emit(ops.Dropout(dropout), weights, shape=shape, function="dropout")
    return c.emit(ops.MatMul(), weights, v, function="context")


def _mask(c: Call, mask: Operand | None, size: Shape, *, causal: bool) -> Operand | None:
    if causal:
        rows, columns = size
        later = torch.ones(rows, columns).triu(1)
        return Constant(later * MASKED, role="mask")
    known = c.known(mask)
    if known is None:
        c.need(
            mask is None or mask.dtype == FP32,
            "A mask that is an input must be of floats, to be added: 0 or -10000.",
        )
        return mask
    if known.tensor.is_floating_point():
        return mask_addend(known)
    return None if known.tensor.all() else Constant((~known.tensor) * MASKED, role="mask")
