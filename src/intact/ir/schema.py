"""Dataclasses to JSON and back, derived from their fields and type hints; strict.

int, float, bool, str, None, Literal, Enum (its value), tuple (a list) and dataclass (an object of
its fields) map as expected. A member of a union of dataclasses is tagged with its class name:
``{"op": "QConv2d", ...}``, formats as ``{"format": "Int", ...}``. An array of up to `INLINE`
entries is a nested list; a larger one is ``{"tensor": i}``, kept by the caller.
"""

import math
import types
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

import numpy as np

from intact.errors import FormatError
from intact.ir.attributes import FLOAT32_MAX
from intact.numerics.arrays import Array
from intact.numerics.formats import Format

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Store: TypeAlias = Callable[[Array], int]  # keeps an array, returns its number
Fetch: TypeAlias = Callable[[Json, str], Array]  # the array of a number; where, for errors

INLINE = 16  # entries; a tensor of its own takes 64 bytes or more
INT_LIMIT = 1 << 63


@cache
def hints_of(cls: Any) -> Mapping[str, object]:
    """Type hints of a dataclass's fields, in order."""
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in fields(cls)}


def _is_union(hint: object) -> bool:
    return get_origin(hint) in (Union, types.UnionType)


def _is_array(hint: object) -> bool:
    return get_origin(hint) is np.ndarray


def _is_real(hint: object) -> bool:
    """F32 = ndarray[..., dtype[float32]]; the other arrays hold integers."""
    return get_args(get_args(hint)[1])[0] is np.float32


@cache
def _members(union: object) -> tuple[str, Mapping[str, type]]:
    """(tag, class by name) of a union of dataclasses."""
    classes = [member for member in get_args(union) if member is not types.NoneType]
    tag = "format" if classes[0] in get_args(Format) else "op"
    return tag, {cls.__name__: cls for cls in classes}


# --- to JSON ---------------------------------------------------------------------------------


def encode(value: object, hint: object, store: Store) -> Json:
    """JSON of a value whose declared type is `hint`."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Enum):
        return encode(value.value, type(value.value), store)
    if isinstance(value, np.ndarray):
        return value.tolist() if value.size <= INLINE else {"tensor": store(value)}
    if isinstance(value, tuple):
        return [encode(v, h, store) for v, h in zip(value, _entries(hint, len(value)), strict=True)]
    if _is_union(hint) and is_dataclass(value):
        tag, members = _members(hint)
        if len(members) > 1:
            return {tag: type(value).__name__, **_encode_fields(value, store)}
    if is_dataclass(value):
        return _encode_fields(value, store)
    if hint is bool:
        return bool(value)
    # 1 and 1.0 are the same slope: only one of them is ever written.
    return float(value) if _is_float(hint) else int(value)  # type: ignore[arg-type, call-overload]


def _encode_fields(value: Any, store: Store) -> dict[str, Json]:
    cls: object = type(value)
    return {name: encode(getattr(value, name), hint, store) for name, hint in hints_of(cls).items()}


def _is_float(hint: object) -> bool:
    return hint is float or (_is_union(hint) and float in get_args(hint))


def _entries(hint: object, count: int) -> tuple[object, ...]:
    """The type of each of `count` entries of a tuple; the empty tuple if it has another length."""
    if _is_union(hint):
        hint = next(member for member in get_args(hint) if get_origin(member) is tuple)
    arguments = get_args(hint)
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return (arguments[0],) * count
    return arguments if len(arguments) == count else ()


# --- from JSON -------------------------------------------------------------------------------


def decode(data: Json, hint: Any, where: str, fetch: Fetch) -> Any:
    """The value of declared type `hint` that the JSON stands for.

    Raises:
        FormatError: says where the JSON is not of that type.
    """
    if _is_union(hint):
        return _decode_union(data, hint, where, fetch)
    if _is_array(hint):
        return _decode_array(data, hint, where, fetch)
    origin = get_origin(hint)
    if origin is tuple:
        return _decode_tuple(data, hint, where, fetch)
    if origin is Literal:
        return _decode_choice(data, {choice: choice for choice in get_args(hint)}, where)
    if isinstance(hint, type) and is_dataclass(hint):
        return _decode_fields(data, hint, where, fetch)
    if issubclass(hint, Enum):
        return _decode_choice(data, {member.value: member for member in hint}, where)
    return _decode_scalar(data, hint, where)


def refuse(where: str, data: object, expected: str) -> FormatError:
    """The error for JSON that is not what was expected; shows the start of it."""
    shown = repr(data)
    shown = shown if len(shown) <= 40 else f"{shown[:40]}..."
    return FormatError(f"{where}: {shown} is not {expected}")


def _decode_scalar(data: Json, hint: type, where: str) -> Json:
    match data:
        case bool() if hint is bool:
            return data
        case str() if hint is str:
            return data
        case int() if hint is int and not isinstance(data, bool) and abs(data) < INT_LIMIT:
            return data
        case float() if hint is float and math.isfinite(data):
            return data
        case _:
            raise refuse(where, data, f"a valid {hint.__name__}")


def _decode_choice(data: Json, choices: Mapping[Any, Any], where: str) -> object:
    for key, value in choices.items():
        if type(key) is type(data) and key == data:
            return value
    raise refuse(where, data, f"one of {list(choices)}")


def _decode_tuple(data: Json, hint: object, where: str, fetch: Fetch) -> tuple[object, ...]:
    if not isinstance(data, list):
        raise refuse(where, data, "a list")
    entries = _entries(hint, len(data))
    if len(entries) != len(data):
        raise refuse(where, data, f"a list of {len(get_args(hint))} entries")
    pairs = enumerate(zip(data, entries, strict=True))
    return tuple(decode(entry, h, f"{where}[{i}]", fetch) for i, (entry, h) in pairs)


def _decode_union(data: Json, hint: object, where: str, fetch: Fetch) -> object:
    rest = tuple(member for member in get_args(hint) if member is not types.NoneType)
    if data is None and len(rest) < len(get_args(hint)):
        return None
    if len(rest) == 1:
        return decode(data, rest[0], where, fetch)
    tag, members = _members(hint)
    name = data.get(tag) if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(name, str) or name not in members:
        raise refuse(where, name if name is not None else data, f'a known "{tag}"')
    untagged = {key: value for key, value in data.items() if key != tag}
    return _decode_fields(untagged, members[name], f"{where}.{name}", fetch)


def _decode_fields(data: Json, cls: type, where: str, fetch: Fetch) -> object:
    hints = hints_of(cls)
    if not isinstance(data, dict):
        raise refuse(where, data, f"an object with the fields of {cls.__name__}")
    if data.keys() != hints.keys():
        raise FormatError(
            f"{where}: missing fields {sorted(hints.keys() - data.keys())},"
            f" unknown fields {sorted(data.keys() - hints.keys())[:5]}"
        )
    values = {n: decode(data[n], hint, f"{where}.{n}", fetch) for n, hint in hints.items()}
    try:
        return cls(**values)
    except ValueError as error:
        raise FormatError(f"{where}: {error}") from None


# --- arrays ----------------------------------------------------------------------------------


def _decode_array(data: Json, hint: object, where: str, fetch: Fetch) -> Array:
    real = _is_real(hint)
    if isinstance(data, dict):
        if data.keys() != {"tensor"}:
            raise refuse(where, data, "a reference to a tensor")
        array = fetch(data["tensor"], where)
    else:
        array = _inline(data, real, where)
    if real and array.dtype != np.float32:
        raise FormatError(f"{where}: has dtype {array.dtype}, expected float32")
    if not real and array.dtype.kind != "i":
        raise FormatError(f"{where}: has dtype {array.dtype}, expected signed integers")
    return array if real else array.astype(np.int64)


def _inline(data: Json, real: bool, where: str) -> Array:
    _check_numbers(data, real, where)
    try:
        return np.array(data, np.float32 if real else np.int64)
    except ValueError:
        raise refuse(where, data, "an array: its rows differ in length") from None


def _check_numbers(data: Json, real: bool, where: str) -> None:
    if isinstance(data, list):
        for entry in data:
            _check_numbers(entry, real, where)
        return
    number = _decode_scalar(data, float if real else int, where)
    if isinstance(number, float) and abs(number) > FLOAT32_MAX:
        raise refuse(where, data, "a float32")
