"""What quantizers in the body of a loop begin with."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from intact.capture.module import CapturedModule
from intact.errors import CalibrationError
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.ir.scans import every_node
from intact.qat.protocol import FakeActivation


class Sequences:
    """Shows quantizers in bodies all time steps before they are used in the first.

    After one step states are small: a range or a step that is learned from it would be of little
    use for the rest.
    """

    def __init__(
        self,
        graph: Graph[FloatOp],
        network: CapturedModule,
        activations: Mapping[str, FakeActivation],
    ) -> None:
        repeated = {n.name for n in every_node(graph)} - {n.name for n in graph.nodes}
        self._network = network
        self._waiting = {name: found for name, found in activations.items() if name in repeated}

    def begin(self, inputs: Sequence[Tensor]) -> None:
        """Shows the first batch of training to those that saw no data; later, nothing."""
        waiting = {name: found for name, found in self._waiting.items() if _is_new(found)}
        self._waiting = {}
        if not waiting:
            return
        seen: dict[str, list[Tensor]] = {name: [] for name in waiting}

        def see(name: str, x: Tensor) -> None:
            if name in seen:
                seen[name].append(x)

        mode = self._network.training
        self._network.training = False  # its own mode, not that of the quantizers within
        try:
            with torch.no_grad():
                self._network.run(inputs, see)
                for name, parts in seen.items():
                    waiting[name](torch.cat(parts))
        finally:
            self._network.training = mode


def _is_new(quantizer: FakeActivation) -> bool:
    try:
        quantizer.params()
    except CalibrationError:
        return True
    return False
