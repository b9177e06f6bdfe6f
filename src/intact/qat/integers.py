"""A network in training, evaluated by its integers."""

import os
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from intact.errors import CalibrationError, UnsupportedOpError
from intact.exec import reference
from intact.exec.runner import Runner
from intact.ir.int_ops import Program
from intact.lower.lower import lower
from intact.qat.finish import finish

if TYPE_CHECKING:
    from intact.qat.network import TrainableNetwork


class Integers:
    """Runs what `finish` makes of a network, converted anew when one of its numbers changed."""

    def __init__(self) -> None:
        self._made: tuple[Program, Runner] | None = None
        self._of: list[tuple[int, int]] = []

    def __deepcopy__(self, _: dict[int, object]) -> "Integers":
        """Another network's integers are another's."""
        return Integers()

    def __reduce__(self) -> tuple[type["Integers"], tuple[()]]:
        """Made again when they are needed."""
        return Integers, ()

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    @torch.no_grad()
    def __call__(
        self, network: "TrainableNetwork", inputs: Sequence[Tensor]
    ) -> Tensor | tuple[Tensor, ...] | None:
        """The outputs on the inputs' device; None while a quantizer has seen no data."""
        state = list(_state(network))
        if state != self._of:
            self._made, self._of = _convert(network), state
        if self._made is None:
            return None
        program, run = self._made
        arrays = (x.detach().cpu().numpy() for x in inputs)
        found = run(dict(zip((value.name for value in program.inputs), arrays, strict=True)))
        outputs = tuple(
            torch.tensor(found[value.name], device=inputs[0].device) for value in program.outputs
        )
        return outputs[0] if len(outputs) == 1 else outputs


def _state(network: torch.nn.Module) -> Iterator[tuple[int, int]]:
    """Which tensors there are, and how often each was written."""
    for tensor in chain(network.parameters(), network.buffers()):
        yield tensor.data_ptr(), tensor._version


def _convert(network: "TrainableNetwork") -> tuple[Program, Runner] | None:
    try:
        program = lower(finish(network))
    except CalibrationError:
        return None
    try:
        from intact.exec.native import engine  # which an unbuilt source tree lacks

        threads = min(torch.get_num_threads(), os.cpu_count() or 1)
        return program, engine.load(program, threads)
    except (ImportError, UnsupportedOpError):
        return program, reference.load(program)
