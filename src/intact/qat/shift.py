"""Powers of two in the place of numbers, so that products become shifts (Hubara et al. 2016)."""

import math

import torch
from torch import Tensor


def ap2(x: Tensor) -> Tensor:
    """sign(x) 2**round(log2|x|), the power of two nearest in logarithm; 0 stays 0.

    |x| = m 2**e with m of 1/2 to below 1 rounds up where m >= sqrt(1/2): without a logarithm, which
    has no value at 0 and may be off by a bit at the middle. Of at least single precision, without a
    gradient.
    """
    mantissa, exponent = torch.frexp(single(x))
    rounded = exponent - (mantissa.abs() < math.sqrt(0.5)).to(exponent.dtype)
    return torch.sign(mantissa) * torch.ldexp(torch.ones_like(mantissa), rounded)


def power_above(x: Tensor) -> Tensor:
    """The least power of two that is not below x, which is positive; 1 for 0."""
    mantissa, exponent = torch.frexp(single(x))
    exponent = exponent - (mantissa == 0.5).to(exponent.dtype)
    return torch.where(x > 0, torch.ldexp(torch.ones_like(mantissa), exponent), 1.0)


def single(x: Tensor) -> Tensor:
    """In at least single precision."""
    # Powers of two leave the range of float16, and frexp of bfloat16 is missing on some devices.
    return x.detach().to(torch.promote_types(x.dtype, torch.float32))
