"""Numbers as sentences have them."""


def num(number: float) -> str:
    """Three digits."""
    return f"{number + 0.0:.3g}"  # no -0


def steps(levels: float) -> str:
    """How many steps of a grid."""
    return "1 step of the codes" if levels == 1 else f"{levels:.2g} steps of the codes"


def percent(share: float) -> str:
    """A share."""
    return f"{100 * share:.2g} %"


def counted(count: int, word: str) -> str:
    """The number with its noun, as in 2 samples."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"
