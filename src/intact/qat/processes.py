"""Training in several processes: quantizers that are in step.

DistributedDataParallel averages gradients and sends the buffers of the first process to all others
before each forward pass. What a quantizer learns within a pass is not covered: each process would
begin its step or its clip from another batch, and parameters would stay different for good. So all
begin with what the first process saw, and moving averages take the range over all processes.
"""

import torch
from torch import Tensor, distributed, nn

from intact.errors import CalibrationError
from intact.qat.protocol import FakeActivation


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


def begin_in_step(quantizer: FakeActivation, x: Tensor) -> None:
    """Lets a quantizer that saw no data begin with the first process's batch.

    All processes must call it for the same quantizers in the same order.
    """
    try:
        quantizer.params()
    except CalibrationError:
        assert isinstance(quantizer, nn.Module)
        with torch.no_grad():
            quantizer(x)
            for tensor in (*quantizer.parameters(), *quantizer.buffers()):
                distributed.broadcast(tensor, 0)
