"""Layer by layer: what each layer reads once all layers before it are what they will be.

Networks with the same nodes (the quantized one, and the float one beside it) run side by side up to
a layer. The values that are alive there, for all samples, are where the way to the next layer
begins, so that a network is run little more than once in all. Where they would take more memory
than is allowed, the old beginning stays and the few nodes since then are run again.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TypeAlias

import torch
from torch import Tensor

from intact.capture.running import Hooks, Run
from intact.errors import CalibrationError
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, elements
from intact.model import QuantizedModel
from intact.numerics.arrays import F64
from intact.numerics.formats import Int
from intact.numerics.qtensor import ScaledTensor
from intact.observers import fake_quantize
from intact.passes.channels import Layered
from intact.ptq.protocol import Batch
from intact.ptq.samples import first, streamed
from intact.ptq.simulation import quantized_constants, rounding

Env: TypeAlias = Mapping[str, Tensor]  # the values that are alive, by name
_BYTES = 4  # of a number


class Stepped:
    """A network in float32 that runs node by node; its layers may change on the way."""

    def __init__(self, model: QuantizedModel) -> None:
        self.graph = model.graph
        self._params = rounding(model)
        self._constants = {name: torch.tensor(a) for name, a in model.graph.constants.items()}
        self._constants.update(quantized_constants(model))
        self.shifts: dict[str, F64] = {}  # added to the biases of layers, by the layers' names

    def layer(self, node: Node[FloatOp], env: Env, samples: int) -> Tensor:
        """What a node computes, before it is rounded."""
        hooks = Hooks(self._constants.__getitem__, self.rounded, None, training=False)
        y = Run(hooks, samples).result(node, env)
        if node.name not in self.shifts:
            return y
        shift = torch.from_numpy(self.shifts[node.name]).to(y.dtype)
        return y + along_channels(shift, node.op, y)

    def step(self, node: Node[FloatOp], env: Env, samples: int) -> Tensor:
        """What the nodes after it read."""
        return self.rounded(node.name, self.layer(node, env, samples))

    def rounded(self, name: str, x: Tensor) -> Tensor:
        """A value on the grid of its codes, if it has some."""
        return fake_quantize(x, self._params[name]) if name in self._params else x

    def begin(self, inputs: Sequence[Tensor]) -> dict[str, Tensor]:
        """The values that are alive before the first node."""
        env: dict[str, Tensor] = {}
        for value, x in zip(self.graph.inputs, inputs, strict=True):
            env[value.name] = self.rounded(value.name, x)
        return env

    def constant(self, name: str) -> Tensor:
        """A constant as the layers read it, by its name."""
        return self._constants[name]

    def set_weight(self, name: str, weight: Tensor) -> None:
        """Changes a constant, by its name."""
        self._constants[name] = weight


def along_channels(shift: Tensor, op: FloatOp, y: Tensor) -> Tensor:
    """Numbers (O,) as they are added to a layer's output."""
    return shift if isinstance(op, ops.Linear) else shift.reshape(-1, *(1,) * (y.ndim - 2))


@dataclass
class _Piece:
    """Some samples, and where each network is with them."""

    samples: int
    envs: tuple[dict[str, Tensor], ...]


@dataclass
class Layerwise:
    """Goes through networks of the same nodes, from layer to layer.

    Args:
        networks: What runs side by side.
        batches: Calibration data.
        samples: How many of them are used at most, the first.
        memory: How many bytes the values between two layers may take, beside the samples.

    Raises:
        CalibrationError: if there is no sample, or one does not fit the inputs.
    """

    networks: Sequence[Stepped]
    batches: Iterable[Batch]
    samples: int
    memory: int
    count: int = field(default=0, init=False)  # samples that are used
    _start: int = field(default=0, init=False)  # node at which all pieces are
    _pieces: list[_Piece] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        graph = self.networks[0].graph
        for inputs, samples in streamed(graph, first(graph.inputs, self.batches, self.samples)):
            envs = tuple(network.begin(inputs) for network in self.networks)
            self._pieces.append(_Piece(samples, envs))
        if not self._pieces:
            raise CalibrationError("there are no calibration samples; give at least one batch")
        self.count = sum(piece.samples for piece in self._pieces)
        self._alive = alive(graph)

    def visit(
        self, index: int, see: Callable[[tuple[Env, ...], int], None], tell: Callable[[], None]
    ) -> None:
        """Calls `tell`, and `see` with what is alive before node `index`, for each piece of data.

        `see` is given the values of each network, and how many samples they are of. From visit to
        visit `index` does not fall.
        """
        names, numbers = self._alive[index]
        kept = numbers * self.count * len(self.networks) * _BYTES <= self.memory
        for piece in self._pieces:
            tell()
            envs = tuple(
                self._advanced(network, env, index, piece.samples)
                for network, env in zip(self.networks, piece.envs, strict=True)
            )
            see(envs, piece.samples)
            if kept:
                piece.envs = tuple({name: env[name] for name in names} for env in envs)
        if kept:
            self._start = index

    def _advanced(self, network: Stepped, env: Env, index: int, samples: int) -> dict[str, Tensor]:
        env = dict(env)
        with torch.no_grad():
            for at in range(self._start, index):
                node = network.graph.nodes[at]
                env[node.name] = network.step(node, env, samples)
                for name in env.keys() - self._alive[at + 1][0]:
                    del env[name]
        return env


def alive(graph: Graph[FloatOp]) -> list[tuple[frozenset[str], int]]:
    """For each node: the values that it and later ones read of what is computed before it.

    With each set comes how many numbers it has for one sample.
    """
    nothing: frozenset[str] = frozenset()
    read = list(accumulate(map(_names, reversed(graph.nodes)), frozenset.union, initial=nothing))
    made = {value.name: value for value in graph.inputs}
    found: list[tuple[frozenset[str], int]] = []
    for node, later in zip(graph.nodes, read[:0:-1], strict=True):
        names = frozenset(made) & later
        found.append((names, sum(elements(made[name].shape) for name in names)))
        made[node.name] = node.output
    return found


def _names(node: Node[FloatOp]) -> frozenset[str]:
    return frozenset(value.name for value in node.inputs)


def layers(model: QuantizedModel) -> list[tuple[int, Node[FloatOp]]]:
    """The convolutions and linear layers whose weight has codes, and the nodes' indices."""
    return [
        (index, node)
        for index, node in enumerate(model.graph.nodes)
        if isinstance(node.op, Layered) and node.inputs[1].name in model.weights
    ]


def integer_weight(model: QuantizedModel, node: Node[FloatOp]) -> bool:
    """Whether a layer's weight has integer codes with a scale, which may be rounded anew."""
    weight = model.weights[node.inputs[1].name]
    return isinstance(weight, ScaledTensor) and isinstance(weight.params.format, Int)
