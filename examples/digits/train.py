"""Train the digits network and save its weights.

    python -m examples.digits.train

Takes about half a minute on one core, and gives the same weights every time on the same machine.
"""

import argparse
import math
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from examples.digits.data import Digits, load_test, load_train
from examples.digits.network import DigitsNet

WEIGHTS = Path(__file__).with_name("digits.safetensors")

_BATCH = 64
_LEARNING_RATE = 0.01
_WEIGHT_DECAY = 0.02


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Rotate each image by up to 12 degrees and shift it by up to 0.8 pixels, bilinearly."""
    count, _, _, width = images.shape
    uniform = 2 * torch.rand(3, count, generator=generator) - 1
    angle = uniform[0] * math.radians(12)
    shift = uniform[1:] * 0.8 * 2 / width
    cos, sin = angle.cos(), angle.sin()
    rows = [torch.stack([cos, -sin, shift[0]], 1), torch.stack([sin, cos, shift[1]], 1)]
    grid = functional.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False)


def train(data: Digits, epochs: int, seed: int) -> DigitsNet:
    """AdamW on augmented batches, with a one-cycle learning rate; returned in eval mode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = DigitsNet()
    batches = len(data.labels) // _BATCH
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=_WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, _LEARNING_RATE, total_steps=epochs * batches
    )
    for _ in range(epochs):
        order = torch.randperm(len(data.labels), generator=generator)
        for indices in order[: batches * _BATCH].split(_BATCH):
            logits = network(augment(data.images[indices], generator))
            loss = functional.cross_entropy(logits, data.labels[indices], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network.eval()


@torch.no_grad()
def accuracy(network: nn.Module, data: Digits) -> float:
    """Share of the images whose largest logit is the label's."""
    return float((network(data.images).argmax(1) == data.labels).float().mean())


def main() -> None:
    """Train, report, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=80)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=WEIGHTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    network = train(load_train(), arguments.epochs, arguments.seed)
    print(f"training accuracy {accuracy(network, load_train()):.2%}")
    print(f"test accuracy     {accuracy(network, load_test()):.2%}")
    save_file(network.state_dict(), arguments.output)


if __name__ == "__main__":
    main()
