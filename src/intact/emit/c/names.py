"""Names and comments of C from names of layers."""

import re
from collections.abc import Container

DEFAULT_NAME = "model"
_OURS = ("intact", "arena", "number", "cmsis")  # how names of the files themselves begin
_SYSTEM = (
    *("assert", "complex", "ctype", "errno", "fenv", "float", "inttypes", "iso646", "limits"),
    *("locale", "math", "setjmp", "signal", "stdarg", "stdbool", "stddef", "stdint", "stdio"),
    *("stdlib", "string", "tgmath", "time", "wchar", "wctype"),
)  # C99's headers
_LONGEST = 48  # C99 tells names apart by 63 characters; a role and a number follow


def identifier(name: str) -> str:
    """The name with what C does not allow replaced: `features.0/conv` is `features_0_conv`.

    It stays apart from the runtime's own names and from C's keywords once a role follows, as in
    `features_0_conv_weight`.
    """
    plain = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[-_LONGEST:].strip("_")
    if not plain or plain[0].isdigit() or plain.lower().startswith(_OURS):
        return f"layer_{plain}" if plain else "layer"
    return plain


def check_name(model: str) -> None:
    """Complains of a model's name that its files and functions cannot begin with.

    Raises:
        ValueError: says why.
    """
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", model) is None:
        raise ValueError(
            f"{model!r} is no name for C; a model's name begins with a letter and holds letters,"
            " digits and _"
        )
    if model.lower().startswith("intact"):
        raise ValueError(f"a model cannot be named {model!r}: kernels' names begin with intact")
    if model.lower() in _SYSTEM:
        raise ValueError(f"a model cannot be named {model!r}: C has a header {model.lower()}.h")


def free_identifier(wanted: str, taken: Container[str]) -> str:
    """`wanted`, or `wanted_2`, `wanted_3`, ...: the first that is not taken."""
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted}_{number}"
    return name


def comment(text: str) -> str:
    """The text as a comment of one line, whatever it holds."""
    plain = "".join(c if " " <= c <= "~" else "?" for c in text)
    return f"/* {plain.replace('*/', '* /').replace('/*', '/ *')} */"
