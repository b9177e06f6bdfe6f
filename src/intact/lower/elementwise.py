"""Sums, products, concatenation and activations (arithmetic.md, sections 4 to 6)."""

import numpy as np

from intact.ir import float_ops as ops
from intact.ir import int_ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Node, Value
from intact.lower.builder import Builder, Layout, stored_axes
from intact.lower.params import all_params
from intact.lower.requant import (
    FusedActivation,
    activation_bounds,
    add_operands,
    coded,
    identity_requant,
    integer_format,
    product_bits,
    reach,
    requant,
)
from intact.lower.tables import activation_lookup
from intact.numerics.formats import Int
from intact.numerics.qtensor import QuantParams, scalar_scale, scalar_zero_point


def common_layout(build: Builder, node: Node[FloatOp]) -> Layout:
    """LAST if an input of the output's rank is stored so already."""
    rank = len(node.output.shape)
    for value in node.inputs:
        if build.rank(value.name) == rank and build.layout(value.name) is Layout.LAST:
            return Layout.LAST
    return Layout.PLAIN


def _layout(build: Builder, node: Node[FloatOp], activation: FusedActivation) -> Layout:
    """LAST also where an activation tells channels apart: a Requant has those of the last axis."""
    if activation is not None and activation.low.size > 1 and len(node.output.shape) > 2:
        return Layout.LAST
    return common_layout(build, node)


def broadcast_codes(build: Builder, name: str, rank: int, layout: Layout) -> Value:
    """Codes of an operand that broadcasts against a value of `rank` stored in `layout`."""
    own = build.rank(name)
    if own == rank or layout is Layout.PLAIN:
        return build.codes(name, layout if own == rank else Layout.PLAIN)
    plain = build.codes(name, Layout.PLAIN)
    padded = (1,) * (rank - own) + plain.shape
    shape = tuple(padded[axis] for axis in stored_axes(rank, layout))
    lifted = build.temporary(f"{name}.aligned", padded, plain)
    build.emit(ops.Reshape(padded), (plain,), lifted)
    if sum(n != 1 for n in padded[1:]) <= 1:
        return build.emit(
            ops.Reshape(shape), (lifted,), build.temporary(f"{name}.last", shape, plain)
        )
    permute = ops.Permute(stored_axes(rank, layout))
    return build.emit(permute, (lifted,), build.temporary(f"{name}.last", shape, plain))


def product_multiplier(a: np.float32, b: np.float32, output: np.float32) -> float:
    """A * b / output, each step rounded to float32, as TFLite's MUL computes it (eq. 25, 34)."""
    return float(a * b / output)


def lower_binary(
    build: Builder, node: Node[FloatOp], target: str, activation: FusedActivation
) -> str | None:
    """Add, Sub, Mul → QAdd, QSub, QMul."""
    params = all_params(build, node, target)
    if isinstance(params, str):
        return params
    a, b, output = params
    op: int_ops.IntOp
    match node.op:
        case ops.Add():
            op = int_ops.QAdd(*add_operands(a, b, output, activation))
        case ops.Sub():
            op = int_ops.QSub(*add_operands(a, b, output, activation))
        case _:
            scales = (np.float32(scalar_scale(params)) for params in (a, b, output))
            bits = product_bits(reach(a) * reach(b))
            scaled = requant(product_multiplier(*scales), output, activation, bits)
            op = int_ops.QMul(scalar_zero_point(a), scalar_zero_point(b), scaled)
    rank = len(node.output.shape)
    layout = _layout(build, node, activation)
    inputs = tuple(broadcast_codes(build, value.name, rank, layout) for value in node.inputs)
    build.emit(op, inputs, build.codes_output(target, layout))
    return None


def lower_scalar_product(build: Builder, node: Node[FloatOp]) -> str | None:
    """Mul by one positive number: the codes stay, the scale changes."""
    source = node.inputs[0].name
    output = build.params.get(node.name)
    if output is None or integer_format(output) is None:
        return "its input is float"
    layout = build.layout(source)
    x = build.codes(source, layout)
    op = int_ops.Requantize(scalar_zero_point(output), identity_requant(coded(output)))
    build.emit(op, (x,), build.codes_output(node.name, layout))
    return None


def lower_concat(build: Builder, node: Node[FloatOp]) -> str | None:
    """Concat: each input is first brought to the output's scale and zero point."""
    params = all_params(build, node, node.name)
    if isinstance(params, str):
        return params
    *sources, output = params
    layout = common_layout(build, node)
    inputs = []
    for value, source in zip(node.inputs, sources, strict=True):
        codes = build.codes(value.name, layout)
        same = build.params[value.name] == output
        inputs.append(codes if same else rescaled(build, codes, source, node, output))
    op = node.op
    assert isinstance(op, ops.Concat)
    axis = stored_axes(len(node.output.shape), layout).index(op.axis)
    build.emit(ops.Concat(axis), tuple(inputs), build.codes_output(node.name, layout))
    return None


def rescaled(
    build: Builder, codes: Value, source: QuantParams, node: Node[FloatOp], output: QuantParams
) -> Value:
    """Codes of `source` as the codes of `output` that `node` reads."""
    scaled = requant(scalar_scale(source) / scalar_scale(output), output)
    name = build.unique(f"{node.name}.{codes.name}")
    target = Value(name, codes.shape, coded(output).format, coded(output))
    return build.emit(int_ops.Requantize(scalar_zero_point(source), scaled), (codes,), target)


def lower_clamp(build: Builder, node: Node[FloatOp]) -> str | None:
    """A Relu, Clamp or ChannelClamp that no layer could take in → Requantize with bounds.

    Requantize rounds twice, which moves one code in twenty where few codes come from many; below 8
    bits a table has the nearest code.
    """
    params = all_params(build, node, node.name)
    if isinstance(params, str):
        return params
    source, output = params
    if isinstance(node.op, ops.Relu | ops.Clamp) and _is_narrow(source, output):
        _emit_unary(build, node, activation_lookup(node.op, source, output))
        return None
    bounds = activation_bounds(node, build.graph.constants)
    scaled = requant(scalar_scale(source) / scalar_scale(output), output, bounds)
    layout = None if bounds.low.size == 1 else _layout(build, node, bounds)
    _emit_unary(build, node, int_ops.Requantize(scalar_zero_point(source), scaled), layout)
    return None


def _is_narrow(source: QuantParams, output: QuantParams) -> bool:
    """Whether a table of at most 8 bits gives codes of fewer than 8."""
    formats = (source.format, output.format)
    return all(isinstance(f, Int) and f.bits <= 8 for f in formats) and output.format.bits < 8


def lower_activation(build: Builder, node: Node[FloatOp]) -> str | None:
    """Any other activation of one number → Lookup or InterpolatedLookup."""
    params = all_params(build, node, node.name)
    if isinstance(params, str):
        return params
    assert isinstance(node.op, ops.Activation)
    _emit_unary(build, node, activation_lookup(node.op, *params))
    return None


def _emit_unary(
    build: Builder, node: Node[FloatOp], op: int_ops.IntOp, layout: Layout | None = None
) -> None:
    source = node.inputs[0].name
    layout = build.layout(source) if layout is None else layout
    x = build.codes(source, layout)
    build.emit(op, (x,), build.codes_output(node.name, layout))


def lower_prelu(build: Builder, node: Node[FloatOp]) -> str | None:
    """Prelu → QPrelu; slopes become symmetric per tensor, of the input's width."""
    params = all_params(build, node, node.name)
    if isinstance(params, str):
        return params
    source, output = params
    slopes = build.graph.constants[node.inputs[1].name]
    largest = float(np.abs(slopes).max())
    format = Int(8 if source.format.bits <= 8 else 16, narrow=True)
    slope_scale = largest / format.qmax if largest else 1.0
    slope_params = QuantParams(format, np.asarray(slope_scale, np.float32))
    slope = build.constant(
        node.inputs[1].name, slope_params.quantize(slopes), slope_params.format, slope_params
    )
    s_x, s_w, s_y = (np.float32(scalar_scale(p)) for p in (source, slope_params, output))
    op = int_ops.QPrelu(
        input_zero_point=scalar_zero_point(source),
        slope_zero_point=0,
        positive=requant(float(s_x / s_y), output),  # TFLite's PRELU computes both in float32
        negative=requant(product_multiplier(s_x, s_w, s_y), output),
    )
    rank = build.rank(node.inputs[0].name)
    layout = Layout.LAST if rank > 2 else Layout.PLAIN
    x = build.codes(node.inputs[0].name, layout)
    build.emit(op, (x, slope), build.codes_output(node.name, layout))
    return None
