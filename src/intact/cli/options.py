"""Options that several commands share, and the text of their values."""

import importlib.util
import math
import random
from collections.abc import Callable
from functools import reduce, wraps
from typing import TypeVar

import click
import numpy as np

from intact.cli.samples import Reading
from intact.data.images import ImageOptions
from intact.data.user_code import is_function

EPILOG = "intact --help says what MODEL, NET and DATA may be."

Function = TypeVar("Function", bound=Callable[..., object])


def numbers(text: str) -> tuple[float, ...]:
    """Comma-separated numbers: 0.5 or 0.485,0.456,0.406."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is no list of numbers like 0.485,0.456,0.406") from None


def share(text: str) -> float:
    """A share between 0 and 1: 0.5% or 0.005."""
    try:
        found = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no share like 0.5% or 0.005") from None
    if not 0 <= found <= 1:
        raise click.BadParameter(f"{text!r} is not between 0 and 1 (100%)")
    return found


def duration(text: str) -> float:
    """Seconds: 90, 90s, 10m or 1.5h."""
    units = {"s": 1, "m": 60, "h": 3600}
    unit = units.get(text[-1:])
    try:
        seconds = float(text) if unit is None else float(text[:-1]) * unit
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise click.BadParameter(f"{text!r} is no time like 90s, 10m or 1.5h")
    return seconds


def memory_size(text: str) -> int:
    """Bytes: 65536, or 64k and 1M in units of 1024, as memories are made."""
    units = {"k": 1 << 10, "m": 1 << 20}
    unit = units.get(text[-1:].lower())
    try:
        size = int(text) if unit is None else int(float(text[:-1]) * unit)
    except (ValueError, OverflowError):
        size = 0
    if size <= 0:
        raise click.BadParameter(f"{text!r} is no size like 65536, 64k or 1M")
    return size


def json_option(function: Function) -> Function:
    """`--json`."""
    return click.option("as_json", "--json", is_flag=True, help="One JSON document on stdout.")(
        function
    )


def seed_option(function: Function) -> Function:
    """`--seed`."""
    return click.option(
        "--seed",
        type=int,
        default=0,
        show_default=True,
        help="Of all random numbers, such as file.py's.",
    )(function)


def data_options(function: Callable[..., int]) -> Callable[..., int]:
    """How samples are read; the command gets them together as `reading`."""

    @wraps(function)
    def with_reading(
        *,
        mean: tuple[float, ...] | None,
        std: tuple[float, ...] | None,
        short_side: int | None,
        batch_size: int,
        limit: int | None,
        **others: object,
    ) -> int:
        images = ImageOptions(mean, std, short_side)
        return function(reading=Reading(images, batch_size, limit), **others)

    options = (
        click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True),
        click.option("--limit", type=click.IntRange(1), help="Use the first samples only."),
        click.option(
            "--short-side",
            type=click.IntRange(0),
            help="Images: resize the shorter side to this; 0: never. [default: 8/7 of the input's]",
        ),
        click.option("--std", type=numbers, help="Images: divisor. [default: ImageNet's; grey 1]"),
        click.option(
            "--mean",
            type=numbers,
            help="Images: subtracted from pixel/255; 0.5 with --std 0.5 gives pixel/127.5-1."
            " [default: ImageNet's; grey 0]",
        ),
    )
    return reduce(lambda decorated, option: option(decorated), options, with_reading)


def seed_everything(seed: int, *sources: str | None) -> None:
    """Seeds the global generators that a file.py among the sources may use; nothing else does."""
    if not any(source is not None and is_function(source) for source in sources):
        return
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    if importlib.util.find_spec("torch") is not None:
        import torch

        torch.manual_seed(seed)
