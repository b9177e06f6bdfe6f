"""Training in several processes: quantizers that are in step.

DistributedDataParallel averages gradients and sends the buffers of the first process to all others
before each forward pass. What a quantizer learns within a pass is not covered: each process would
begin its step or its clip from another batch, and parameters would stay different for good. So all
take what the first process began with, and moving averages take the range over all processes.
"""

import torch
from torch import Tensor, distributed, nn


def several() -> bool:
    """Whether there are others to be in step with."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return False
    return distributed.get_world_size() > 1


def common_range(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """The smallest of the low ends of all processes, and the largest of the high ones."""
    if not several():
        return low, high
    ends = torch.stack([-low, high])
    distributed.all_reduce(ends, distributed.ReduceOp.MAX)
    return -ends[0], ends[1]


def as_the_first(quantizer: nn.Module) -> None:
    """Gives a quantizer the parameters and buffers that it has in the first process.

    All processes must call it for the same quantizers in the same order.
    """
    if several():
        for tensor in (*quantizer.parameters(), *quantizer.buffers()):
            distributed.broadcast(tensor, 0)
