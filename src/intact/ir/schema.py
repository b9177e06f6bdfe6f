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
from functools import cache, partial
from typing import Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

import numpy as np

from intact.errors import FormatError
from intact.ir.attributes import FLOAT32_MAX
from intact.numerics.arrays import Array
from intact.numerics.formats import Format

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Store: TypeAlias = Callable[[Array], int]  # keeps an array, returns its number
Fetch: TypeAlias = Callable[[Json, str], Array]  # the array of a number; where, for errors
Decoder: TypeAlias = Callable[[Json, str, Fetch], Any]

INLINE = 16  # entries; a tensor of its own takes 64 bytes or more
INT_LIMIT = 1 << 63


@cache
def hints_of(cls: Any) -> Mapping[str, object]:
    """Type hints of a dataclass's fields, in order."""
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in fields(cls)}


@cache
def later_fields(cls: Any) -> Mapping[str, object]:
    """Defaults of the fields that are left out where they have it, by name."""
    return {f.name: f.default for f in fields(cls) if "later" in f.metadata}


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
    later = later_fields(cls)
    return {
        name: encode(getattr(value, name), hint, store)
        for name, hint in hints_of(cls).items()
        if name not in later or getattr(value, name) != later[name]
    }


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
    return _decoder(hint)(data, where, fetch)


def refuse(where: str, data: object, expected: str) -> FormatError:
    """The error for JSON that is not what was expected; shows the start of it."""
    shown = repr(data)
    shown = shown if len(shown) <= 40 else f"{shown[:40]}..."
    return FormatError(f"{where}: {shown} is not {expected}")


@cache
def _decoder(hint: Any) -> Decoder:
    """What decodes a declared type: made once, as a network holds thousands of its values."""
    if _is_union(hint):
        return _union_decoder(hint)
    if _is_array(hint):
        return partial(_decode_array, _is_real(hint))
    origin = get_origin(hint)
    if origin is tuple:
        return _tuple_decoder(hint)
    if origin is Literal:
        return partial(_decode_choice, {choice: choice for choice in get_args(hint)})
    if isinstance(hint, type) and is_dataclass(hint):
        return _fields_decoder(hint, None)
    if issubclass(hint, Enum):
        return partial(_decode_choice, {member.value: member for member in hint})
    return _SCALARS[hint]


def _decode_int(data: Json, where: str, fetch: Fetch) -> int:
    del fetch
    if type(data) is int and -INT_LIMIT < data < INT_LIMIT:
        return data
    raise refuse(where, data, "a valid int")


def _decode_float(data: Json, where: str, fetch: Fetch) -> float:
    del fetch
    if type(data) is float and math.isfinite(data):
        return data
    raise refuse(where, data, "a valid float")


def _decode_plain(kind: type, data: Json, where: str, fetch: Fetch) -> Json:
    del fetch
    if type(data) is kind:
        return data
    raise refuse(where, data, f"a valid {kind.__name__}")


_SCALARS: Mapping[Any, Decoder] = {
    int: _decode_int,
    float: _decode_float,
    bool: partial(_decode_plain, bool),
    str: partial(_decode_plain, str),
}


def _decode_choice(choices: Mapping[Any, Any], data: Json, where: str, fetch: Fetch) -> object:
    del fetch
    for key, value in choices.items():
        if type(key) is type(data) and key == data:
            return value
    raise refuse(where, data, f"one of {list(choices)}")


def _tuple_decoder(hint: object) -> Decoder:
    arguments = get_args(hint)
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        repeated, count = _decoder(arguments[0]), None
    else:
        several, count = [_decoder(argument) for argument in arguments], len(arguments)

    def decode_tuple(data: Json, where: str, fetch: Fetch) -> tuple[object, ...]:
        if not isinstance(data, list):
            raise refuse(where, data, "a list")
        if count is None:
            return tuple([repeated(e, f"{where}[{i}]", fetch) for i, e in enumerate(data)])
        if len(data) != count:
            raise refuse(where, data, f"a list of {count} entries")
        return tuple(
            [each(e, f"{where}[{i}]", fetch) for i, (each, e) in enumerate(zip(several, data))]  # noqa: B905
        )

    return decode_tuple


def _union_decoder(hint: object) -> Decoder:
    rest = [member for member in get_args(hint) if member is not types.NoneType]
    decode_some = _decoder(rest[0]) if len(rest) == 1 else _tagged_decoder(hint)
    if len(rest) == len(get_args(hint)):
        return decode_some

    def decode_optional(data: Json, where: str, fetch: Fetch) -> object:
        return None if data is None else decode_some(data, where, fetch)

    return decode_optional


def _tagged_decoder(union: object) -> Decoder:
    tag, members = _members(union)
    decoders = {name: _fields_decoder(cls, tag) for name, cls in members.items()}

    def decode_member(data: Json, where: str, fetch: Fetch) -> object:
        name = data.get(tag) if isinstance(data, dict) else None
        if not isinstance(name, str) or name not in decoders:
            raise refuse(where, name if name is not None else data, f'a known "{tag}"')
        return decoders[name](data, f"{where}.{name}", fetch)

    return decode_member


def _fields_decoder(cls: Any, tag: str | None) -> Decoder:
    """For an object of the class's fields, and a tag that has been looked at."""
    decoders = {name: (f".{name}", _decoder(hint)) for name, hint in hints_of(cls).items()}
    expected = decoders.keys() if tag is None else decoders.keys() | {tag}
    later = later_fields(cls)

    def decode_fields(data: Json, where: str, fetch: Fetch) -> object:
        if not isinstance(data, dict):
            raise refuse(where, data, f"an object with the fields of {cls.__name__}")
        if data.keys() | later.keys() != expected:
            raise FormatError(
                f"{where}: missing fields {sorted(expected - later.keys() - data.keys())},"
                f" unknown fields {sorted(data.keys() - expected)[:5]}"
            )
        values = {
            name: decode_field(data[name], where + suffix, fetch)
            for name, (suffix, decode_field) in decoders.items()
            if name in data
        }
        try:
            return cls(**values)
        except ValueError as error:
            raise FormatError(f"{where}: {error}") from None

    return decode_fields


# --- arrays ----------------------------------------------------------------------------------


def _decode_array(real: bool, data: Json, where: str, fetch: Fetch) -> Array:
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
    _check_numbers(data, _decode_float if real else _decode_int, where)
    try:
        return np.array(data, np.float32 if real else np.int64)
    except ValueError:
        raise refuse(where, data, "an array: its rows differ in length") from None


def _check_numbers(data: Json, decode_number: Decoder, where: str) -> None:
    if isinstance(data, list):
        for entry in data:
            _check_numbers(entry, decode_number, where)
        return
    number = decode_number(data, where, _no_fetch)
    if isinstance(number, float) and abs(number) > FLOAT32_MAX:
        raise refuse(where, data, "a float32")


def _no_fetch(_: Json, where: str) -> Array:
    raise AssertionError(f"{where}: numbers need no tensor")
