"""Random inputs, two to a batch, with the smoothness that pictures and sounds have."""

import torch
from torch import Tensor
from torch.nn import functional

from tests.architectures.seeding import Example

_BATCH = 2


def images(channels: int, height: int, width: int) -> Example:
    """Float (2, C, H, W) of variance about 1: upsampled noise and a little white noise."""

    def example(generator: torch.Generator) -> tuple[Tensor, ...]:
        coarse = torch.randn(_BATCH, channels, 5, 5, generator=generator)
        smooth = functional.interpolate(coarse, (height, width), mode="bicubic")
        noise = torch.randn(_BATCH, channels, height, width, generator=generator)
        return (1.2 * smooth + 0.3 * noise,)

    return example


def vectors(*shape: int) -> Example:
    """Float (2, *shape), standard normal."""

    def example(generator: torch.Generator) -> tuple[Tensor, ...]:
        return (torch.randn(_BATCH, *shape, generator=generator),)

    return example


def token_ids(vocabulary: int, tokens: int) -> Example:
    """Int64 (2, T), uniform in [1, vocabulary)."""

    def example(generator: torch.Generator) -> tuple[Tensor, ...]:
        return (torch.randint(1, vocabulary, (_BATCH, tokens), generator=generator),)

    return example
