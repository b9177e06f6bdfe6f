"""Writes networks of the native engine, with inputs and expected outputs, for csrc/tests/replay.cc.

The engine is built as always, but its constructors only note what they are called with, so that
kernels are chosen where the recording is replayed.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import numpy as np

from intact.exec import reference
from intact.exec.native.library import native
from intact.exec.native.translate import translate
from intact.ir.int_ops import Program
from intact.numerics.arrays import Array

CONSTRUCTORS = (
    "conv2d_s8", "conv2d", "conv2d_16", "conv_transpose2d", "linear_s8", "linear", "matmul_s8",
    "matmul", "embedding", "sum_s8", "sum_codes", "mul_s8", "mul", "prelu", "lookup",
    "interpolated_lookup", "softmax", "softmax16", "layer_norm", "group_norm", "max_pool2d",
    "avg_pool2d", "adaptive_avg_pool2d", "mean", "resize_nearest2d", "resize_bilinear2d",
    "quantize", "dequantize", "requantize", "permute", "slice_axis", "expand", "pad", "concat",
    "copy",
)  # fmt: skip
_LISTS = ("mean", "permute", "pad")  # their first argument may have any length
_ARGUMENTS = ("Requant", "Window", "Normalization")


def record(name: str, program: Program, inputs: Mapping[str, Array]) -> bytes:
    """The program as a network with inputs and with what the reference gives for them."""
    expected = reference.load(program)(inputs)
    batch = next(
        (inputs[value.name].shape[0] for value in program.inputs if value.shape[:1] == (-1,)), 1
    )
    with _recording():
        translated = translate(program, native.best_isa())
        plan = translated.plan(batch, 1)
    arrays = [np.ascontiguousarray(inputs[value.name]) for value in program.inputs]
    outputs = [expected[value.name] for value in program.outputs]
    return b"".join(_parts(name, translated.network, plan, arrays, outputs))


@dataclass(frozen=True)
class _Call:
    """A constructor's name and arguments; of what is an argument itself, there is no name."""

    name: str | None
    arguments: tuple[Any, ...]


@dataclass
class _Network:
    values: list[native.DType | Array] = field(default_factory=list)
    steps: list[tuple[str, _Call, Sequence[int], int]] = field(default_factory=list)

    def add_value(self, dtype: native.DType) -> int:
        self.values.append(dtype)
        return len(self.values) - 1

    def add_constant(self, array: Array) -> int:
        self.values.append(array)
        return len(self.values) - 1

    def add_step(self, name: str, op: _Call, inputs: Sequence[int], output: int) -> None:
        self.steps.append((name, op, inputs, output))


@dataclass(frozen=True)
class _Plan:
    network: _Network
    locations: Sequence[tuple[tuple[int, ...], native.Place, int]]
    arena_bytes: int
    threads: int


@contextmanager
def _recording() -> Iterator[None]:
    """The extension module's constructors are those of this file."""

    def constructor(name: str) -> Any:
        def call(*arguments: Any, **named: Any) -> _Call:
            arguments = (*arguments, *named.values())
            if name in _LISTS:
                arguments = (np.array(arguments[0], np.int32), *arguments[1:])
            return _Call(None if name in _ARGUMENTS else name, arguments)

        return call

    made = {name: constructor(name) for name in (*CONSTRUCTORS, *_ARGUMENTS)}
    with patch.multiple(native, Network=_Network, plan=_Plan, **made):
        yield


def _parts(
    name: str, network: Any, plan: Any, inputs: list[Array], outputs: list[Array]
) -> Iterator[bytes]:
    yield _item(name)
    yield _item(len(network.values))
    for value in network.values:
        yield _item(isinstance(value, np.ndarray)) + _item(value)
    yield _item(len(network.steps))
    for step, op, numbers, output in network.steps:
        if not isinstance(op, _Call):
            raise TypeError(f'no constructor is recorded for "{step}"')
        yield _item(step) + _item(op) + _list(numbers) + _item(output)
    for shape, place, offset in plan.locations:
        yield _list(shape) + _item(place) + _item(offset)
    yield _item(plan.arena_bytes)
    for arrays in (inputs, outputs):
        yield _item(len(arrays)) + b"".join(_item(array) for array in arrays)


def _list(numbers: Sequence[int]) -> bytes:
    return _item(len(numbers)) + b"".join(_item(number) for number in numbers)


def _item(item: Any) -> bytes:
    match item:
        case native.Isa():
            return _item(item != native.Isa.none)
        case native.DType() | native.Place() | native.PadMode():
            return _item(item.value)
        case bool() | int() | np.integer():
            return struct.pack("<q", int(item))
        case str():
            return _item(len(item.encode())) + _padded(item.encode())
        case np.ndarray():
            dtype = native.DType[item.dtype.name]
            return _item(dtype) + _list(item.shape) + _padded(item.tobytes())
        case _Call(name, arguments):
            called = b"" if name is None else _item(name)
            return called + b"".join(_item(argument) for argument in arguments)
        case tuple() | list():
            return b"".join(_item(part) for part in item)
        case _:
            raise TypeError(f"{type(item).__name__} cannot be recorded")


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 8)
