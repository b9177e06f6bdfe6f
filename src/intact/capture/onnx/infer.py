"""One ONNX node at one batch size: shapes of its outputs, or their values if they are constant.

onnx itself does both, one node at a time; unlike onnx's inference over a whole model this sees the
value of every shape computed on the way.
"""

import math
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import NodeProto, TypeProto, helper, numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator

from intact.capture.onnx.facts import LARGEST, Facts, Info
from intact.capture.onnx.node import OnnxNode, first_line
from intact.errors import FormatError
from intact.ir.graph import Shape
from intact.numerics.arrays import Array

# Operations that may be evaluated at capture: their cost is in proportion to their output.
FOLDABLE = frozenset(
    {
        "Abs", "Add", "And", "Cast", "CastLike", "Ceil", "Clip", "Concat", "Constant",
        "ConstantOfShape", "Cos", "CumSum", "Div", "Equal", "Erf", "Exp", "Expand", "EyeLike",
        "Flatten", "Floor", "Gather", "GatherElements", "GatherND", "Greater",
        "GreaterOrEqual", "Identity", "Less", "LessOrEqual", "Log", "Max", "Min", "Mod",
        "Mul", "Neg", "Not", "OneHot", "Or", "Pad", "Pow", "Range", "Reciprocal", "ReduceMax",
        "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "Relu", "Reshape", "Round",
        "ScatterElements", "ScatterND", "Shape", "Sigmoid", "Sign", "Sin", "Size", "Slice",
        "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Tanh", "Tile", "Transpose", "Trilu",
        "Unsqueeze", "Where", "Xor",
    }
)  # fmt: skip
# Defined by ONNX as functions, through which inference of one node does not look.
_SAME_SHAPE = frozenset({"Gelu", "GroupNormalization", "HardSwish", "Swish"})
_LARGEST_FOLDED = 1 << 24  # elements of a constant that grew out of smaller ones
_LARGEST_DATA = 1 << 12  # elements of a constant that shape inference may look at


def infer(
    node: OnnxNode, proto: NodeProto, facts: Facts, trial: int
) -> list[tuple[int, Shape | None]]:
    """Element type and shape of each output; None for a shape that depends on data.

    Raises:
        FormatError: if the node breaks a rule of its operation.
    """
    types: dict[str, TypeProto] = {}
    data: dict[str, onnx.TensorProto] = {}
    for name in filter(None, node.inputs):
        info = facts.infos[name]
        types[name] = helper.make_tensor_type_proto(info.elem_type, info.shapes[trial])
        known = facts.known.get(name)
        if known is not None and known.arrays[trial].size <= _LARGEST_DATA:
            data[name] = numpy_helper.from_array(np.asarray(known.arrays[trial]), name)
    if node.op_type == "Slice" and any(not array.dims[0] for array in data.values() if array.dims):
        raise node.unsupported("slices an empty constant", "Remove it")  # onnx would abort
    try:
        schema = onnx.defs.get_schema(node.op_type, node.opset, "")
        found = shape_inference.infer_node_outputs(
            schema, proto, types, data, opset_imports=[helper.make_opsetid("", node.opset)]
        )
    except Exception as error:  # InferenceError, SchemaError, RuntimeError, ValueError, ...
        raise node.malformed(f"its shapes do not fit: {first_line(error)}") from error
    results = [_tensor_type(found.get(output)) for output in node.outputs]
    lowest = 0 if all(name in facts.known for name in types) else 1
    for _, shape in results:
        if shape is not None and (min(shape, default=1) < lowest or math.prod(shape) > LARGEST):
            raise node.malformed(f"has an output of shape {shape}")
    if results[0][1] is None and node.op_type in _SAME_SHAPE:
        first = facts.infos[node.inputs[0]]
        results[0] = first.elem_type, first.shapes[trial]
    return results


def _tensor_type(proto: TypeProto | None) -> tuple[int, Shape | None]:
    if proto is None or not proto.HasField("tensor_type"):
        return 0, None
    tensor = proto.tensor_type
    if not tensor.HasField("shape"):
        return tensor.elem_type, None
    dims = [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]
    shape = tuple(dim for dim in dims if dim is not None)
    return tensor.elem_type, shape if len(shape) == len(dims) else None


def may_fold(node: OnnxNode, infos: Sequence[Info], facts: Facts) -> bool:
    """Whether all inputs are constants and evaluating the node costs little.

    Raises:
        FormatError: if a small file asks for a huge constant.
    """
    inputs = list(filter(None, node.inputs))
    if node.op_type not in FOLDABLE or not all(name in facts.known for name in inputs):
        return False
    read = sum(array.size for name in inputs for array in facts.known[name].arrays)
    written = sum(math.prod(shape) for info in infos for shape in info.shapes)
    if written > _LARGEST_FOLDED + 2 * read:
        raise node.malformed(f"computes a constant of {written} elements")
    return True


def evaluate(node: OnnxNode, proto: NodeProto, inputs: Mapping[str, Array]) -> list[Array]:
    """The node's outputs from the values of its inputs.

    Raises:
        FormatError: if it cannot be computed.
    """
    names = [helper.make_tensor_value_info(name, 0, None) for name in inputs]
    results = [helper.make_tensor_value_info(name, 0, None) for name in node.outputs if name]
    graph = helper.make_graph([proto], "constant", names, results)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", node.opset)])
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            computed = ReferenceEvaluator(model).run(None, dict(inputs))
    except Exception as error:  # whatever NumPy and onnx raise for values that do not fit
        raise FormatError(
            f'ONNX {node.op_type} "{node.name}": cannot be computed: {first_line(error)}'
        ) from error
    return [np.asarray(array) for array in computed]
