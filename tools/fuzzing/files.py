"""Mutates the bytes and the header of a file, and repairs its checksum."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.unit.ir.sealed import DELETED, paths, replaced, seal, unseal

Rng = np.random.Generator

PREAMBLE, DIGEST = 64, slice(24, 56)
NUMBERS = (
    -(2**63), -(2**31) - 1, -(2**31), -32769, -256, -129, -128, -3, -2, -1, 0, 1, 2, 3, 4, 7, 8, 9,
    15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 513, 32767, 65536, 2**20, 2**30,
    2**31 - 1, 2**31, 2**32, 2**62, 2**63 - 1, 2**64,
)  # fmt: skip
REALS = (-1.0, -0.0, 0.0, 1e-45, 1e-30, 0.5, 1.0, 3e38, 1e39, 1e308)
OTHERS = (None, True, False, "", "x", "layer", [], [[]], {}, {"tensor": 0}, {"tensor": -1})


def mutated_bytes(data: bytes, other: bytes, rng: Rng) -> bytes:
    """Flips, cuts, and parts of another file; the checksum is right again most of the time."""
    made = bytearray(data)
    for _ in range(1 + int(rng.geometric(0.5))):
        _CHANGES[rng.integers(len(_CHANGES))](made, other, rng)
    if rng.random() < 0.9 and len(made) >= PREAMBLE:
        if rng.random() < 0.8:
            made[16:24] = len(made).to_bytes(8, "little")
        made[DIGEST] = bytes(32)
        made[DIGEST] = hashlib.sha256(made).digest()
    return bytes(made)


def _flip_bit(made: bytearray, _: bytes, rng: Rng) -> None:
    if made:
        made[rng.integers(len(made))] ^= 1 << int(rng.integers(8))


def _set_byte(made: bytearray, _: bytes, rng: Rng) -> None:
    if made:
        made[rng.integers(len(made))] = int(rng.choice([0, 1, 127, 128, 255]))


def _cut(made: bytearray, _: bytes, rng: Rng) -> None:
    del made[rng.integers(len(made) + 1) :]


def _splice(made: bytearray, other: bytes, rng: Rng) -> None:
    at, length = int(rng.integers(len(made) + 1)), int(rng.integers(1, 65))
    source = int(rng.integers(len(other)))
    until = at + length if rng.random() < 0.5 else at
    made[at:until] = other[source : source + length]


def _remove(made: bytearray, _: bytes, rng: Rng) -> None:
    at = int(rng.integers(len(made) + 1))
    del made[at : at + int(rng.integers(1, 65))]


_CHANGES = (_flip_bit, _flip_bit, _set_byte, _cut, _splice, _remove)


def mutated_header(data: bytes, other: bytes, rng: Rng) -> bytes:
    """One to three parts of the header's JSON changed, and sometimes the tensors' bytes."""
    header, tensors = unseal(data)
    donor, _ = unseal(other)
    for _ in range(1 + int(rng.integers(3))):
        header = _mutated_part(header, donor, rng)
    if rng.random() < 0.2:
        tensors = mutated_tensors(tensors, rng)
    return seal(header, tensors)


def mutated_tensors(tensors: bytes, rng: Rng) -> bytes:
    """Some bytes of the constants and tables changed; their number stays."""
    made = bytearray(tensors)
    for _ in range(int(rng.integers(1, 9))):
        (_flip_bit, _set_byte)[int(rng.integers(2))](made, b"", rng)
    return bytes(made)


def _mutated_part(header: Any, donor: Any, rng: Rng) -> Any:
    found = list(paths(header))
    if not found:
        return header
    path = found[rng.integers(len(found))]
    part = header
    for key in path:
        part = part[key]
    return replaced(header, path, _other_part(part, header, donor, rng))


def _other_part(part: Any, header: Any, donor: Any, rng: Rng) -> Any:
    kind = rng.random()
    if kind < 0.1:
        return DELETED
    if kind < 0.2:
        return _pick((*NUMBERS, *REALS, *OTHERS), rng)
    if kind < 0.4:
        return _alike(part, donor if rng.random() < 0.5 else header, rng)
    match part:
        case bool():
            return not part
        case int():
            return part + int(rng.integers(-2, 3)) if kind < 0.7 else _pick(NUMBERS, rng)
        case float():
            return part * float(rng.choice([-1, 2, 0.5])) if kind < 0.7 else _pick(REALS, rng)
        case str():
            return part + "x" if kind < 0.5 else part[1:]
        case list():
            return _other_list(part, rng)
        case _:
            return _alike(part, donor, rng)


def _other_list(part: list[Any], rng: Rng) -> list[Any]:
    made = list(part)
    if not made:
        return [0]
    i, k = (int(j) for j in rng.integers(len(made), size=2))
    match int(rng.integers(4)):
        case 0:
            made[i], made[k] = made[k], made[i]
        case 1:
            made.insert(i, made[k])
        case 2:
            del made[i]
        case _:
            made.append(made[k])
    return made


def _alike(part: Any, source: Any, rng: Rng) -> Any:
    """A part of the same type from somewhere in `source`."""
    found = []
    for path in paths(source):
        other = source
        for key in path:
            other = other[key]
        if type(other) is type(part):
            found.append(other)
    return found[rng.integers(len(found))] if found else part


def _pick(choices: Sequence[Any], rng: Rng) -> Any:
    return choices[int(rng.integers(len(choices)))]
