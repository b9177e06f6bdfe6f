"""Trains with DistributedDataParallel; torchrun starts one of these for each process.

Writes the first process's state to the file that is named, if all have the same.
"""

import sys
from functools import partial

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

import intact
from intact.numerics.formats import Int
from intact.qat import LsqActivation, LsqWeight, MinMaxWeight, MovingAverageActivation, QatRule

RULES = [
    QatRule(match="0", weight=MinMaxWeight),
    QatRule(match="1", activation=MovingAverageActivation),
    QatRule(
        weight=partial(LsqWeight, format=Int(4, narrow=True)),
        activation=partial(LsqActivation, format=Int(4)),
    ),
]


def train() -> dict[str, Tensor]:
    """The state of a network that saw this process's share of each batch."""
    rank, processes = distributed.get_rank(), distributed.get_world_size()
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    network = intact.prepare(model, RULES, example_input=torch.zeros(2, 4))
    wrapped = DistributedDataParallel(network)
    optimizer = torch.optim.SGD(network.parameters(), 0.05)
    generator = torch.Generator().manual_seed(1)
    for _ in range(5):
        x = torch.randn(16, 4, generator=generator) * 3
        labels = (x[:, 0] > 0).long()
        mine = slice(rank, None, processes)
        optimizer.zero_grad()
        nn.functional.cross_entropy(wrapped(x[mine]), labels[mine]).backward()
        optimizer.step()
    return network.state_dict()


def main(path: str) -> None:
    """Trains, compares and writes."""
    distributed.init_process_group("gloo")
    state = train()
    for name, tensor in state.items():
        others = [torch.empty_like(tensor) for _ in range(distributed.get_world_size())]
        distributed.all_gather(others, tensor)
        assert all(torch.equal(other, tensor) for other in others), name
    if distributed.get_rank() == 0:
        torch.save(state, path)
    distributed.barrier()
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1])
