"""Uniform numbers for stochastic rounding, the same ones again after a checkpoint is loaded.

Draw number i of a stream comes from a generator of its own, whose seed is a hash of (seed, stream,
i). So three integers are the whole state: a module with noise can be copied, pickled and moved
between devices, and its state dict resumes exactly.
"""

import numpy as np
import torch
from torch import Tensor, nn


class Noise(nn.Module):
    """Uniform numbers of 0 to below 1.

    Args:
        seed: Equal seeds give equal numbers on one kind of device, in each of `separate`'s streams.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.seed, self.stream, self.drawn = seed, 0, 0

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def forward(self, like: Tensor) -> Tensor:
        """Numbers of the tensor's shape, on its device, of at least single precision."""
        # Not compiled: the number of the draw would become a constant.
        source = np.random.SeedSequence((self.seed, self.stream, self.drawn))
        self.drawn += 1
        generator = torch.Generator(like.device)
        generator.manual_seed(int(source.generate_state(1, np.uint64)[0]))
        dtype = torch.promote_types(like.dtype, torch.float32)
        return torch.rand(like.shape, generator=generator, device=like.device, dtype=dtype)

    def get_extra_state(self) -> Tensor:
        """What the state dict holds: a tensor, since some file formats hold nothing else."""
        return torch.tensor([self.seed, self.stream, self.drawn])

    def set_extra_state(self, state: Tensor) -> None:
        """Resumes."""
        self.seed, self.stream, self.drawn = (int(number) for number in state)

    def extra_repr(self) -> str:
        """Where it stands."""
        return f"seed={self.seed}, stream={self.stream}, drawn={self.drawn}"


def separate(network: nn.Module) -> None:
    """Gives each `Noise` of a network a stream of its own, so that equal seeds do not matter."""
    found = (module for module in network.modules() if isinstance(module, Noise))
    for stream, noise in enumerate(found):
        noise.stream = stream
