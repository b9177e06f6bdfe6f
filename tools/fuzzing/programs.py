"""Mutates Programs: operations, shapes, formats, constants, edges; `fitting` makes them legal."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import Enum
from typing import Any, Literal, get_args, get_origin

import numpy as np

from fuzzing.fitting import fit
from intact.ir.graph import Graph, Node, Value
from intact.ir.int_ops import IntOp, Program
from intact.ir.schema import hints_of
from intact.numerics.arrays import Array
from intact.numerics.formats import Format, Int
from tests.unit.ir import examples
from tests.unit.ir.examples import filled

Rng = np.random.Generator

SIZES = (
    1,
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    9,
    15,
    16,
    17,
    31,
    32,
    33,
    63,
    64,
    65,
    -1,
    -1,
    -2,
    100,
    257,
    1 << 20,
)
SMALL = (-2, -1, 0, 0, 1, 1, 2, 2, 3, 4, 5, 7, 8)
EDGES = (
    -(1 << 31), -32768, -129, -128, -31, 15, 16, 30, 31, 32, 127, 128, 255, 32767, 65535, 1 << 20,
    1 << 30, (1 << 31) - 1, 1 << 31,
)  # fmt: skip
FORMATS = (*examples.FORMATS, Int(32, signed=False), Int(64, signed=False))
MOST = 1 << 16  # elements of a constant


@dataclass
class Draft:
    """A Program that is being changed; values by name."""

    values: dict[str, Value]
    inputs: list[str]
    outputs: list[str]
    nodes: list[tuple[IntOp, list[str], str]]
    constants: dict[str, Array]

    def set_shape(self, name: str, shape: tuple[int, ...]) -> None:
        """A constant's codes are repeated or cut."""
        if name in self.constants:
            if min(shape, default=1) < 1 or np.prod(shape, dtype=float) > MOST:
                return
            self.constants[name] = np.resize(self.constants[name], shape)
        self.values[name] = replace(self.values[name], shape=shape)

    def set_dtype(self, name: str, dtype: Format) -> None:
        """A constant gets codes of the format."""
        self.values[name] = replace(self.values[name], dtype=dtype)
        if name in self.constants:
            self.constants[name] = filled(dtype, self.values[name].shape)

    def program(self) -> Program:
        """As it is now, without constants that nobody reads."""
        nodes = tuple(
            Node[IntOp](op, tuple(self.values[name] for name in inputs), self.values[output])
            for op, inputs, output in self.nodes
        )
        read = {name for _, inputs, _ in self.nodes for name in inputs} | {*self.outputs}
        return Graph(
            tuple(self.values[name] for name in self.inputs),
            tuple(self.values[name] for name in self.outputs),
            nodes,
            {name: array for name, array in self.constants.items() if name in read},
        )


def draft_of(program: Program, prefix: str = "") -> Draft:
    """A copy, its names prefixed, that forgets what codes stand for."""
    values = {value.name: value for value in (*program.values(), *program.outputs)}
    return Draft(
        {prefix + n: replace(v, name=prefix + n, params=None) for n, v in values.items()},
        [prefix + value.name for value in program.inputs],
        [prefix + value.name for value in program.outputs],
        [
            (node.op, [prefix + value.name for value in node.inputs], prefix + node.name)
            for node in program.nodes
        ],
        {prefix + name: array for name, array in program.constants.items()},
    )


def mutated_program(seeds: Sequence[Program], rng: Rng) -> Program:
    """One of the seeds with one to five changes, its shapes mostly fitted to them."""
    draft = draft_of(_pick(seeds, rng))
    for _ in range(1 + int(rng.integers(5))):
        _pick(_CHANGES, rng)(draft, seeds, rng)
    if rng.random() < 0.95:
        fit(draft, rng)
    return draft.program()


# --- changes ---------------------------------------------------------------------------------


def _change_op(draft: Draft, _: Sequence[Program], rng: Rng) -> None:
    if draft.nodes:
        i = int(rng.integers(len(draft.nodes)))
        op, inputs, output = draft.nodes[i]
        draft.nodes[i] = (changed(op, rng), inputs, output)


def _change_shape(draft: Draft, _: Sequence[Program], rng: Rng) -> None:
    written = {output for _, _, output in draft.nodes}
    name = _pick([name for name in draft.values if name not in written], rng)
    shape = list(draft.values[name].shape)
    axis = int(rng.integers(len(shape) + 1))
    kind = rng.random()
    if axis == len(shape) or kind < 0.05:
        shape.insert(int(rng.integers(len(shape) + 1)), int(_pick(SIZES, rng)))
    elif kind < 0.1:
        del shape[axis]
    else:
        shape[axis] = int(_pick(SIZES, rng))
    draft.set_shape(name, tuple(shape))


def _change_dtype(draft: Draft, _: Sequence[Program], rng: Rng) -> None:
    draft.set_dtype(_pick(list(draft.values), rng), _pick(FORMATS, rng))


def _change_codes(draft: Draft, _: Sequence[Program], rng: Rng) -> None:
    if not draft.constants:
        return
    name = _pick(list(draft.constants), rng)
    array = draft.constants[name].copy()
    if array.dtype.kind not in "iu" or not array.size:
        return
    limits = np.iinfo(array.dtype)
    ends = [limits.min, limits.max, 0, 1, array.min(), array.max()]
    where = rng.random(array.shape) < rng.choice([0.01, 0.3, 1.0])
    array[where] = _pick(ends, rng)
    draft.constants[name] = array


def _append(draft: Draft, seeds: Sequence[Program], rng: Rng) -> None:
    """Another seed reads one of the values."""
    name = _pick(list(draft.values), rng)
    fitting = [s for s in seeds if s.inputs and s.inputs[0].dtype == draft.values[name].dtype]
    if not fitting or len(draft.nodes) > 12:
        return
    other = draft_of(_pick(fitting, rng), f"{len(draft.nodes)}.")
    first, *rest = other.inputs
    draft.values.update((n, v) for n, v in other.values.items() if n != first)
    draft.inputs += rest
    draft.outputs += other.outputs
    draft.nodes += [
        (op, [name if n == first else n for n in inputs], output)
        for op, inputs, output in other.nodes
    ]
    draft.constants.update(other.constants)
    if first in other.outputs:
        draft.outputs = [name if n == first else n for n in draft.outputs]


def _change_outputs(draft: Draft, _: Sequence[Program], rng: Rng) -> None:
    name = _pick(list(draft.values), rng)
    if rng.random() < 0.7:
        draft.outputs.insert(int(rng.integers(len(draft.outputs) + 1)), name)
    else:
        draft.outputs[int(rng.integers(len(draft.outputs)))] = name


def _change_edge(draft: Draft, _: Sequence[Program], rng: Rng) -> None:
    """A node reads another value, or an input is not one any more."""
    _, inputs, _ = _pick(draft.nodes, rng) if draft.nodes else (None, [], "")
    kind = rng.random()
    if inputs and kind < 0.6:
        inputs[int(rng.integers(len(inputs)))] = _pick(list(draft.values), rng)
    elif inputs and kind < 0.8:
        inputs.append(_pick(list(draft.values), rng))
    elif inputs:
        del inputs[int(rng.integers(len(inputs)))]


def _change_nodes(draft: Draft, _: Sequence[Program], rng: Rng) -> None:
    """A node twice, one less, or two in another order."""
    if not draft.nodes:
        return
    i, k = (int(j) for j in rng.integers(len(draft.nodes), size=2))
    op, inputs, output = draft.nodes[i]
    match int(rng.integers(3)):
        case 0:
            name = f"{output}.again"
            draft.values[name] = replace(draft.values[output], name=name)
            draft.nodes.append((op, list(inputs), name))
            draft.outputs.append(name)
        case 1:
            del draft.nodes[i]
        case _:
            draft.nodes[i], draft.nodes[k] = draft.nodes[k], draft.nodes[i]


def _make_constant(draft: Draft, _: Sequence[Program], rng: Rng) -> None:
    """A graph input becomes a constant, or a constant an input."""
    name = _pick(list(draft.values), rng)
    value = draft.values[name]
    if name in draft.inputs:
        shape = tuple(abs(n) for n in value.shape)
        if 0 < np.prod(shape, dtype=float) < MOST:
            draft.inputs.remove(name)
            draft.values[name] = replace(value, shape=shape)
            draft.constants[name] = filled(value.dtype, shape)
    elif name in draft.constants and rng.random() < 0.2:
        del draft.constants[name]
        draft.inputs.append(name)


Change = Callable[[Draft, Sequence[Program], Rng], None]
_CHANGES: tuple[Change, ...] = (
    *(_change_op,) * 6, *(_change_shape,) * 4, _change_dtype, _change_codes, _append, _append,
    _change_outputs, _change_edge, _change_nodes, _make_constant,
)  # fmt: skip


# --- attributes ------------------------------------------------------------------------------


def changed(part: Any, rng: Rng) -> Any:
    """An operation, or a part of one, with one number or choice in it changed."""
    match part:
        case bool():
            return not part
        case int():
            return _near(part, rng)
        case float():
            return float(_pick((-part, part * 2, part / 3, 0.0, 1e-30, 3e38), rng))
        case Enum():
            return _pick(list(type(part)), rng)
        case np.ndarray():
            return _changed_array(part, rng)
        case tuple():
            return _changed_tuple(part, rng)
        case Int():
            return _pick([format for format in FORMATS if isinstance(format, Int)], rng)
        case _ if isinstance(part, get_args(Format)):
            return _pick(FORMATS, rng)
        case _ if is_dataclass(part) and fields(part):
            return _changed_field(part, rng)
        case _:
            return part


def _changed_field(part: Any, rng: Rng) -> Any:
    name, hint = _pick(list(hints_of(type(part)).items()), rng)
    value = getattr(part, name)
    if get_origin(hint) is Literal:
        value = _pick(get_args(hint), rng)
    elif value is None and name == "weight_zero_point":
        value = (_near(0, rng),)
    else:
        value = changed(value, rng)
    try:
        return replace(part, **{name: value})
    except (ValueError, OverflowError):
        return part  # it refuses this number itself


def _near(number: int, rng: Rng) -> int:
    kind = rng.random()
    if kind < 0.35:
        return number + int(rng.integers(-3, 4))
    if kind < 0.7:
        return int(_pick(SMALL, rng))
    if kind < 0.85:
        return int(_pick(SIZES, rng))
    return int(_pick((*EDGES, -number, number * 2, number // 2), rng))


def _changed_tuple(part: tuple[Any, ...], rng: Rng) -> tuple[Any, ...]:
    made = list(part)
    kind = rng.random()
    if not made:
        return part
    i, k = (int(j) for j in rng.integers(len(made), size=2))
    if kind < 0.1:
        made[i], made[k] = made[k], made[i]
    elif kind < 0.4:
        made = [changed(made[i], rng)] * len(made)  # the same along all axes
    else:
        made[i] = changed(made[i], rng)
    return tuple(made)


def _changed_array(part: Array, rng: Rng) -> Array:
    made = part.copy()
    if not made.size:
        return made
    kind = rng.random()
    if made.dtype.kind == "f":
        made.flat[int(rng.integers(made.size))] *= np.float32(_pick((0.5, 2.0, 1e-20, 1e20), rng))
    elif kind < 0.4:
        made.flat[int(rng.integers(made.size))] = _near(int(made.flat[0]), rng)
    elif kind < 0.7:
        made[...] = _near(int(made.flat[0]), rng)
    elif kind < 0.8:
        made = np.resize(made, (int(rng.integers(1, 40)),))
    elif kind < 0.9:
        made = made.reshape(-1)[:1]
    else:
        made = made[::-1].copy() if made.ndim else made
    return made


def _pick(choices: Sequence[Any], rng: Rng) -> Any:
    return choices[int(rng.integers(len(choices)))]
