"""Test vectors: inputs, and a hash of the output codes that the reference computed for them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from intact.emit.c.declarations import Data
from intact.emit.c.model import Model
from intact.emit.c.site import volume
from intact.numerics.arrays import Array

_OFFSET, _PRIME = 2166136261, 16777619  # FNV-1a of 32 bits


@dataclass(frozen=True, slots=True)
class Vector:
    """Codes of one sample, in the order of the Program's inputs and outputs."""

    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]

    @property
    def hash(self) -> int:
        """FNV-1a of the outputs' bytes, one after the other, the lowest byte of a code first."""
        value = _OFFSET
        for array in self.outputs:
            for byte in array.astype(array.dtype.newbyteorder("<")).tobytes():
                value = (value ^ byte) * _PRIME & 0xFFFFFFFF
        return value


def self_test(model: Model, vectors: Sequence[Vector]) -> str:
    """NAME_test.c."""
    lines = [
        f"/* Test vectors of {model.name}.h. The hash is FNV-1a of 32 bits over the output codes,",
        " * the lowest byte of each first: from 2166136261, hash = (hash ^ byte) * 16777619. */",
        f'#include "{model.name}.h"',
        "",
        "#include <stddef.h>",
        "",
    ]
    for number, vector in enumerate(vectors, 1):
        for name, value, array in zip(
            _names(model, number), model.program.inputs, vector.inputs, strict=True
        ):
            data = Data(name, array, f'vector {number}: input "{value.name}"')
            lines += [*data.lines(), ""]
    return "\n".join([*lines, *_hashes(model), "", *_test(model, vectors), ""])


def _names(model: Model, number: int) -> list[str]:
    return [f"vector_{number}_{name}" for name in model.storage.inputs]


def _hashes(model: Model) -> Iterator[str]:
    """A function for each type of output."""
    for type_ in dict.fromkeys(value.dtype.storage for value in model.program.outputs):
        bits = 8 * type_.itemsize
        yield f"static uint32_t hash_{type_.name}(uint32_t hash, const {type_.name}_t* codes,"
        yield "    size_t count) {"
        yield "  for (size_t i = 0; i < count; ++i) {"
        yield f"    const uint{bits}_t code = (uint{bits}_t)codes[i];"
        for shift in range(0, bits, 8):
            shifted = f"(code >> {shift})" if shift else "code"
            yield f"    hash = (hash ^ (uint32_t)({shifted} & 255)) * {_PRIME}u;"
        yield "  }"
        yield "  return hash;"
        yield "}"


def _test(model: Model, vectors: Sequence[Vector]) -> Iterator[str]:
    for name, value in zip(model.storage.outputs, model.program.outputs, strict=True):
        yield f"static {value.dtype.storage.name}_t result_{name}[{volume(value.shape)}];"
    yield ""
    yield f"int {model.name}_self_test(void) {{"
    yield "  uint32_t hash;"
    for number, vector in enumerate(vectors, 1):
        results = [f"result_{name}" for name in model.storage.outputs]
        call = f"{model.name}_run({', '.join([*_names(model, number), *results])})"
        yield f"  if ({call} != 0) return {number};" if model.may_fail else f"  {call};"
        yield f"  hash = {_OFFSET}u;"
        for array, result in zip(vector.outputs, results, strict=True):
            yield f"  hash = hash_{array.dtype.name}(hash, {result}, {array.size});"
        yield f"  if (hash != {vector.hash}u) return {number};"
    yield "  return 0;"
    yield "}"
