"""Activation functions that exporters spell out, recognised by what they compute.

GELU has half a dozen spellings (x/sqrt(2), Erf, +1, *x, *0.5 in any order), and so have SiLU and
the hard functions. Instead of matching each, the elementwise nodes between a candidate and a single
earlier value are evaluated on a grid and compared with the function itself.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np

from intact.capture.onnx.facts import Facts
from intact.capture.onnx.node import OnnxNode
from intact.numerics.arrays import F64

_GRID = np.linspace(-9, 9, 145)
_TOLERANCE = 1e-5  # single-precision constants; GELU and its tanh form differ by 5e-4
_LONGEST = 14  # nodes of the longest spelling, tanh GELU with a Pow

_erf = np.vectorize(math.erf, otypes=[np.float64])


def _clip(node: OnnxNode, x: F64, low: F64 | float = -np.inf, high: F64 | float = np.inf) -> F64:
    return np.clip(x, node.number("min", float(low)), node.number("max", float(high)))


def _hard_sigmoid(node: OnnxNode, x: F64) -> F64:
    return np.clip(node.number("alpha", 0.2) * x + node.number("beta", 0.5), 0, 1)


_EVALUATE: Mapping[str, Callable[..., F64]] = {
    "Add": lambda _, a, b: a + b,
    "Cast": lambda _, x: x,
    "Clip": _clip,
    "Div": lambda _, a, b: a / b,
    "Erf": lambda _, x: _erf(x),
    "Exp": lambda _, x: np.exp(x),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda _, x: x * np.clip(x / 6 + 0.5, 0, 1),
    "Identity": lambda _, x: x,
    "Max": lambda _, a, b: np.maximum(a, b),
    "Min": lambda _, a, b: np.minimum(a, b),
    "Mul": lambda _, a, b: a * b,
    "Neg": lambda _, x: -x,
    "Pow": lambda _, a, b: np.power(a, b),
    "Reciprocal": lambda _, x: 1 / x,
    "Relu": lambda _, x: np.maximum(x, 0),
    "Sigmoid": lambda _, x: 1 / (1 + np.exp(-x)),
    "Sub": lambda _, a, b: a - b,
    "Tanh": lambda _, x: np.tanh(x),
}

_INNER = math.sqrt(2 / math.pi) * (_GRID + 0.044715 * _GRID**3)
# Op type and attributes of the node that a spelling is replaced by, with its values on the grid.
_FUNCTIONS: tuple[tuple[str, dict[str, float | str], F64], ...] = (
    ("Silu", {}, _GRID / (1 + np.exp(-_GRID))),
    ("Gelu", {}, _GRID * 0.5 * (1 + _erf(_GRID / math.sqrt(2)))),
    ("Gelu", {"approximate": "tanh"}, _GRID * 0.5 * (1 + np.tanh(_INNER))),
    ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}, np.clip(_GRID / 6 + 0.5, 0, 1)),
    ("HardSwish", {}, _GRID * np.clip(_GRID / 6 + 0.5, 0, 1)),
    ("Sigmoid", {}, 1 / (1 + np.exp(-_GRID))),
)


def recognise(
    root: OnnxNode,
    producers: Mapping[str, OnnxNode],
    order: Mapping[str, int],
    facts: Facts,
) -> OnnxNode | None:
    """The single activation that `root` computes, reading the value that it is a function of.

    `producers` are the nodes by the values they write, `order` the positions of these.
    """
    if root.op_type not in ("Mul", "Div", "Clip", "Min"):
        return None
    spelling: dict[str, OnnxNode] = {}
    leaf: str | None = root.output
    while leaf is not None and len(spelling) < _LONGEST:
        node = producers.get(leaf)
        if node is None or not _is_scalar_function(node, facts):
            return None
        spelling[leaf] = node
        leaves = _leaves(spelling, facts)
        if len(leaves) == 1 and (found := _match(root, leaves[0], spelling, facts)):
            return found
        leaf = max((name for name in leaves if name in order), key=order.__getitem__, default=None)
    return None


def _is_scalar_function(node: OnnxNode, facts: Facts) -> bool:
    """Whether each output element depends on one element of each input that is not a number."""
    if node.op_type not in _EVALUATE or not facts.is_float(node.output):
        return False
    shapes = facts.infos[node.output].shapes
    return all(
        facts.infos[name].shapes == shapes or facts.scalar(name) is not None
        for name in filter(None, node.inputs)
    )


def _leaves(spelling: Mapping[str, OnnxNode], facts: Facts) -> list[str]:
    """The values that the nodes read and neither compute nor know."""
    read = dict.fromkeys(name for node in spelling.values() for name in node.inputs if name)
    return [name for name in read if name not in spelling and facts.scalar(name) is None]


def _match(
    root: OnnxNode, leaf: str, spelling: Mapping[str, OnnxNode], facts: Facts
) -> OnnxNode | None:
    values: dict[str, F64] = {leaf: _GRID}
    with np.errstate(all="ignore"):
        for name in reversed(list(spelling)):  # found from the root back, so operands come first
            node = spelling[name]
            operands = [_operand(operand, values, facts) for operand in node.inputs]
            if any(operand is None for operand in operands):
                return None
            try:
                values[name] = _EVALUATE[node.op_type](node, *operands)
            except TypeError:  # more operands than the table's function takes
                return None
        for op_type, attributes, expected in _FUNCTIONS:
            if np.allclose(values[root.output], expected, rtol=0, atol=_TOLERANCE):
                return OnnxNode(
                    root.name, op_type, (leaf,), root.outputs, root.opset, dict(attributes)
                )
    return None


def _operand(name: str, values: Mapping[str, F64], facts: Facts) -> F64 | float | None:
    return values[name] if name in values else facts.scalar(name) if name else None
