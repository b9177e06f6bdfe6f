"""Names and comments of C from names of layers."""

import re
from collections.abc import Container

_OURS = ("intact", "arena", "model", "number")  # how names of the files themselves begin
_LONGEST = 48  # C99 tells names apart by 63 characters; a role and a number follow


def identifier(name: str) -> str:
    """The name with what C does not allow replaced: `features.0/conv` is `features_0_conv`.

    It stays apart from the runtime's own names and from C's keywords once a role follows, as in
    `features_0_conv_weight`.
    """
    plain = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[-_LONGEST:].strip("_")
    if (
        not plain
        or plain[0].isdigit()
        or plain.lower().startswith(("intact", "arena", "model", "number"))
    ):
        return f"layer_{plain}" if plain else "layer"
    return plain


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
