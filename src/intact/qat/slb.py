"""SLB: searching for low-bit weights (Yang et al. 2020, arXiv 2009.08695).

Each weight has a logit for each of 2**b levels v, which are spread evenly over -1..1, and these
logits are what trains:

    forward:   searching:  y = sum of p_j v_j,    p = softmax(T a)
               else        y = v_argmax(a)
    backward:  da_j = dy T p_j (v_j - y) while searching, none after it

The temperature T rises, so that p moves from all levels to one. Evaluation, what ships, and
training after the search all take the level of the largest logit: these are equal to the last bit,
whereas during the search training computes with the expectation and evaluation does not. The switch
moves the statistics of BatchNorms: estimate them again (`reestimate_batchnorm`), as Golden Stick's
``enable_bn_calibration`` does. Its ``enable_act_quant`` is a rule's activation,
``partial(MovingAverageActivation, delay=900)``.

There is no scale: a BatchNorm behind the layer takes care of it. The logits begin at random
(He et al. 2015); the network's own weight, trained or not, has no effect and does not train. They
need 2**b times its memory. After the search they get no gradient, and optimizers pass over them:
DistributedDataParallel wants ``find_unused_parameters=True``.
"""

import zlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from intact.numerics.formats import Binary, MidRise
from intact.numerics.qtensor import QuantParams, ScaledTensor


@dataclass(frozen=True, kw_only=True)
class SlbSchedule:
    """How the temperature rises; options and defaults of MindSpore Golden Stick.

    In epoch e, from 1 and those of earlier runs counted, T = t_start_val until e_start =
    t_start_time epoch_size and then t_start_val t_factor**(min(e, e_end) - e_start). The search
    ends with the beginning of epoch e_end = t_end_time epoch_size.

    The temperature at the end decides how far p is from one level: 1.2**40, about 1500, in 100
    epochs. Of E epochs, t_factor = 1.2**(100 / E) ends there, too.
    """

    epoch_size: int  # of the whole training
    has_trained_epoch: int = 0  # in earlier runs
    t_start_val: float = 1.0
    t_start_time: float = 0.2
    t_end_time: float = 0.6
    t_factor: float = 1.2

    def __post_init__(self) -> None:
        if not 0 <= self.t_start_time <= self.t_end_time <= 1:
            raise ValueError(
                "the temperature rises between two shares of the epochs, not from"
                f" {self.t_start_time} to {self.t_end_time}"
            )
        if self.epoch_size < 1 or self.has_trained_epoch < 0:
            raise ValueError(
                f"{self.has_trained_epoch} of {self.epoch_size} epochs cannot have been trained"
            )

    def temperature(self, epoch: int) -> float:
        """That of an epoch of this run, from 0."""
        start, end = int(self.epoch_size * self.t_start_time), self._end
        rises = min(self._number(epoch), end) - start
        return self.t_start_val * self.t_factor ** max(0, rises)

    def searching(self, epoch: int) -> bool:
        """Whether the search goes on in an epoch of this run, from 0."""
        return self._number(epoch) < self._end

    @property
    def _end(self) -> int:
        return int(self.epoch_size * self.t_end_time)

    def _number(self, epoch: int) -> int:
        return self.has_trained_epoch + epoch + 1


class SlbWeight(nn.Module):
    """A weight that is searched for; tell it the epochs: ``set_epoch(network, epoch)``.

    Args:
        weight: Gives the shape; and its numbers go into the seed, so that layers of equal shape
            begin with logits of their own.
        bits: b, of 1 to 4.
        schedule: Of the temperature; None: it stays 1, and the search does not end.
        seed: Of the first logits.
    """

    temperature: Tensor
    searching: Tensor
    levels: Tensor

    def __init__(
        self, weight: Tensor, bits: int = 1, schedule: SlbSchedule | None = None, seed: int = 0
    ) -> None:
        super().__init__()
        if not 1 <= bits <= 4:
            raise ValueError(f"weights are searched for among levels of 1 to 4 bits, not {bits}")
        self.schedule = schedule
        format = Binary() if bits == 1 else MidRise(bits)
        scale = np.asarray(1 / (2**bits - 1), np.float32)
        self._params = QuantParams(format, scale)
        self.logits = nn.Parameter(_first_logits(weight.detach(), 2**bits, seed))
        levels = torch.from_numpy(self._params.dequantize(format.codes())).to(weight.device)
        self.register_buffer("levels", levels, persistent=False)
        start = 1.0 if schedule is None else schedule.t_start_val
        self.register_buffer("temperature", torch.tensor(start, device=weight.device))
        self.register_buffer("searching", torch.tensor(True, device=weight.device))

    def take_over(self, weight: Tensor) -> None:
        """The logits train in the weight's place."""
        weight.requires_grad_(False)

    def unended(self, batches: int) -> str | None:  # noqa: ARG002  # it may never begin
        """Whether the search goes on."""
        if not bool(self.searching):
            return None
        return (
            "the search has not ended: training computed with expectations, but the levels of the"
            " largest logits are converted; give SlbWeight a schedule, call"
            " set_epoch(network, epoch) at each epoch's beginning, and train to its end"
        )

    def set_epoch(self, epoch: int) -> None:
        """An epoch of this run, counted from 0, begins."""
        if self.schedule is not None:
            self.temperature.fill_(self.schedule.temperature(epoch))
            self.searching.fill_(self.schedule.searching(epoch))

    def forward(self, x: Tensor) -> Tensor:  # noqa: ARG002
        """The weight's numbers: of the levels, or while they are searched for between them."""
        if self.training and bool(self.searching):
            return torch.softmax(self.logits * self.temperature, -1) @ self.levels
        return self.levels[self.logits.argmax(-1)]

    def freeze(self, x: Tensor) -> ScaledTensor:  # noqa: ARG002
        """The levels of the largest logits as codes."""
        codes = self.logits.detach().argmax(-1).cpu().numpy()
        return ScaledTensor(codes.astype(self._params.format.storage), self._params)


def _first_logits(weight: Tensor, levels: int, seed: int) -> Tensor:
    """Normal numbers of variance 2 / (fan_in levels)."""
    source = np.random.SeedSequence((seed, zlib.crc32(weight.cpu().numpy().tobytes())))
    generator = torch.Generator().manual_seed(int(source.generate_state(1, np.uint64)[0]))
    logits = torch.empty(*weight.shape, levels)
    nn.init.kaiming_normal_(logits, nonlinearity="relu", generator=generator)
    return logits.to(weight.device)
