"""Checks of dimensions that the shape rules share; each raises ValueError."""

from collections.abc import Sequence

from intact.ir.graph import Shape


def take(inputs: Sequence[Shape], least: int, most: int | None = None) -> Sequence[Shape]:
    """The inputs, if there are as many as the operation reads."""
    most = least if most is None else most
    if not least <= len(inputs) <= most:
        expected = f"{least}" if least == most else f"{least} to {most}"
        raise ValueError(f"takes {expected} inputs, not {len(inputs)}")
    return inputs


def check_rank(shape: Shape, least: int) -> None:
    """Refuses shapes of fewer axes."""
    if len(shape) < least:
        raise ValueError(f"needs an input of at least {least} axes, not {shape}")


def check_axis(axis: int, shape: Shape) -> None:
    """Refuses an axis that the shape does not have."""
    if not 0 <= axis < len(shape):
        raise ValueError(f"shape {shape} has no axis {axis}")


def fixed_size(what: str, size: int) -> int:
    """The size of an axis that must not depend on the batch size."""
    if size < 1:
        raise ValueError(f"{what} depends on the batch size")
    return size
