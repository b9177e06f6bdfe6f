"""The one table that knows the names of ONNX operations."""

from collections.abc import Callable, Mapping

from intact.capture.onnx import ops_arithmetic, ops_linear, ops_pool, ops_select, ops_shape
from intact.capture.onnx.builder import Builder
from intact.capture.onnx.infer import FOLDABLE
from intact.capture.onnx.node import OnnxNode
from intact.errors import UnsupportedOpError
from intact.ir import float_ops as ops

TRANSLATE: Mapping[str, Callable[[OnnxNode, Builder], None]] = {
    "Add": ops_arithmetic.binary(ops.Add()),
    "AveragePool": ops_pool.average_pool,
    "BatchNormalization": ops_linear.batch_norm,
    "Cast": ops_shape.cast,
    "CastLike": ops_shape.cast,
    "Clip": ops_arithmetic.clip,
    "Concat": ops_shape.concat,
    "Conv": ops_linear.conv,
    "ConvTranspose": ops_linear.conv_transpose,
    "DepthToSpace": ops_shape.depth_to_space,
    "Div": ops_arithmetic.div,
    "Dropout": ops_shape.dropout,
    "Expand": ops_shape.expand,
    "Flatten": ops_shape.reshape,
    "Gather": ops_select.gather,
    "Gelu": ops_arithmetic.gelu,
    "Gemm": ops_linear.gemm,
    "GlobalAveragePool": ops_pool.global_average_pool,
    "GlobalMaxPool": ops_pool.global_max_pool,
    "GroupNormalization": ops_linear.group_norm,
    "HardSigmoid": ops_arithmetic.hard_sigmoid,
    "HardSwish": ops_arithmetic.unary(ops.HardSwish()),
    "Identity": ops_shape.identity,
    "InstanceNormalization": ops_linear.instance_norm,
    "LayerNormalization": ops_linear.layer_norm,
    "LeakyRelu": ops_arithmetic.leaky_relu,
    "MatMul": ops_linear.matmul,
    "Max": ops_arithmetic.extremum(largest=True),
    "MaxPool": ops_pool.max_pool,
    "Min": ops_arithmetic.extremum(largest=False),
    "Mul": ops_arithmetic.binary(ops.Mul()),
    "Neg": ops_arithmetic.neg,
    "PRelu": ops_arithmetic.prelu,
    "Pad": ops_shape.pad,
    "Pow": ops_arithmetic.power,
    "ReduceMax": ops_pool.reduce_max,
    "ReduceMean": ops_pool.reduce_mean,
    "ReduceSum": ops_pool.reduce_sum,
    "Relu": ops_arithmetic.unary(ops.Relu()),
    "Reshape": ops_shape.reshape,
    "Resize": ops_pool.resize,
    "Sigmoid": ops_arithmetic.unary(ops.Sigmoid()),
    "Silu": ops_arithmetic.unary(ops.Silu()),  # recognised, not ONNX's own
    "Slice": ops_select.slice_,
    "Softmax": ops_arithmetic.softmax,
    "SpaceToDepth": ops_shape.space_to_depth,
    "Split": ops_select.split,
    "Squeeze": ops_shape.reshape,
    "Sub": ops_arithmetic.binary(ops.Sub()),
    "Sum": ops_arithmetic.total,
    "Swish": ops_arithmetic.swish,
    "Tanh": ops_arithmetic.unary(ops.Tanh()),
    "Tile": ops_shape.tile,
    "Transpose": ops_shape.transpose,
    "Unsqueeze": ops_shape.reshape,
    "Upsample": ops_pool.resize,
}
_QUANTIZED = frozenset(
    {
        "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv",
        "QLinearMatMul", "ConvInteger", "MatMulInteger",
    }
)  # fmt: skip


def check_supported(node: OnnxNode) -> None:
    """Raises UnsupportedOpError for an operation that no translator, pattern or folding knows."""
    if node.op_type in _QUANTIZED:
        raise node.unsupported(
            "shows that the network is already quantized",
            "Give intact the float network it was made from",
        )
    if node.op_type not in TRANSLATE and node.op_type not in FOLDABLE:
        raise _no_equivalent(node)


def translate(node: OnnxNode, net: Builder) -> None:
    """Adds the node to the graph.

    Raises:
        UnsupportedOpError: if it has no equivalent.
    """
    function = TRANSLATE.get(node.op_type)
    if function is None:
        raise _no_equivalent(node)
    function(node, net)


def _no_equivalent(node: OnnxNode) -> UnsupportedOpError:
    return node.unsupported(
        "has no equivalent in intact",
        "Express it with convolutions, matrix products, arithmetic and the usual activations, or"
        " cut the network before it",
    )
