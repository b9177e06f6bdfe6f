"""Graph to nn.Module: a captured network in torch, for calibration and training."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import TypeAlias

import torch
from torch import Tensor, nn

from intact.capture.running import Hooks, OnNode, OnValue, Run, last_reads_of
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, Value, with_batch
from intact.ir.scans import every_node

Watcher: TypeAlias = Callable[[str, Tensor], None]

_HAS_WEIGHTS = (
    ops.Conv, ops.ConvTranspose, ops.Linear, ops.Embedding,
    ops.BatchNorm, ops.LayerNorm, ops.GroupNorm, ops.Prelu,
)  # fmt: skip


def from_graph(graph: Graph[FloatOp], *, train: Collection[str] = ()) -> "CapturedModule":
    """The network as a module, in training mode like every new module.

    Weights, biases and the gamma and beta of normalizations are parameters, and so are the
    constants that `train` names (a position embedding, a layer scale); BatchNorm's statistics are
    buffers. These have their names in the state dict. Other constants are buffers outside of it.
    """
    return CapturedModule(graph, frozenset(train))


class CapturedModule(nn.Module):
    """Runs a graph; its constants are its parameters and buffers."""

    def __init__(self, graph: Graph[FloatOp], train: frozenset[str]) -> None:
        super().__init__()
        self._graph = graph
        self._last_reads = last_reads_of(graph)
        self._places: dict[str, tuple[nn.Module, str]] = {}
        self.watchers: list[Watcher] = []  # are told of every value that layers read
        weights, statistics = _roles(graph)
        for name, array in graph.constants.items():
            tensor = torch.tensor(array)
            owner, attribute = self._place(name)
            if name in weights | train and tensor.is_floating_point():
                owner.register_parameter(attribute, nn.Parameter(tensor))
            else:
                owner.register_buffer(attribute, tensor, persistent=name in statistics)
            self._places[name] = owner, attribute

    def _place(self, name: str) -> tuple[nn.Module, str]:
        """The submodule and attribute of a dotted name; underscored where torch has the name."""
        owner: nn.Module = self
        *path, attribute = name.split(".")
        for part in path:
            part = _free(owner, part, owner._modules)
            if part not in owner._modules:
                owner.add_module(part, nn.Module())
            owner = owner.get_submodule(part)
        return owner, _free(owner, attribute, {})

    def attach(self, name: str, module: nn.Module) -> None:
        """Adds a submodule at a dotted name beside the constants."""
        owner, attribute = self._place(name)
        owner.add_module(attribute, module)

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The graph's output, or a tuple of them."""
        outputs = self.run(inputs)
        return outputs[0] if len(outputs) == 1 else outputs

    def run(
        self,
        inputs: Sequence[Tensor],
        on_value: OnValue | None = None,
        on_constant: OnValue | None = None,
        on_node: OnNode | None = None,
    ) -> tuple[Tensor, ...]:
        """The outputs; a value is freed after its last reader.

        Args:
            inputs: as the graph's, with any batch size.
            on_value: called with the name and tensor of every input and of what every node
                writes, in order; a tensor that it returns is used in its place. What a body writes
                is shown in every step, a state before the first step, too.
            on_constant: the same for the constants that a node is about to read.
            on_node: called with every node and the values so far, constants not among them; a
                tensor that it returns is taken for the node's result.

        Raises:
            ValueError: if the inputs do not have the graph's number and shapes.
        """
        batch = _batch_size(self._graph.inputs, inputs)

        def constant(name: str) -> Tensor:
            return _seen(on_constant, name, self.constant(name))

        def value(name: str, tensor: Tensor) -> Tensor:
            tensor = _seen(on_value, name, tensor)
            for watcher in self.watchers:
                watcher(name, tensor)
            return tensor

        names = (given.name for given in self._graph.inputs)
        env = {name: value(name, x) for name, x in zip(names, inputs, strict=True)}
        hooks = Hooks(constant, value, on_node, self.training)
        return Run(hooks, batch).nodes(self._graph, self._last_reads, env)

    @property
    def inputs(self) -> tuple[Value, ...]:
        """The graph's inputs."""
        return self._graph.inputs

    @property
    def nodes(self) -> tuple[Node[FloatOp], ...]:
        """The graph's nodes, in order."""
        return self._graph.nodes

    def value_names(self) -> list[str]:
        """What watchers are told of: inputs and what nodes write, in order."""
        return [value.name for value in self._graph.inputs] + [n.name for n in self._graph.nodes]

    def constant(self, name: str) -> Tensor:
        """The parameter or buffer that holds a constant of the graph, by its name there."""
        owner, attribute = self._places[name]
        tensor = getattr(owner, attribute)
        assert isinstance(tensor, Tensor)
        return tensor

    def to_graph(self) -> Graph[FloatOp]:
        """The graph with the present values of its constants."""
        arrays = {name: self.constant(name).detach().cpu().numpy() for name in self._places}
        return replace(self._graph, constants={name: a.copy() for name, a in arrays.items()})


def _roles(graph: Graph[FloatOp]) -> tuple[set[str], set[str]]:
    """Names of the constants that are weights of layers, and of BatchNorm's statistics."""
    weights: set[str] = set()
    statistics: set[str] = set()
    for node in every_node(graph):
        if isinstance(node.op, _HAS_WEIGHTS):
            names = [value.name for value in node.inputs[1:]]
            weights.update(names[:2])
            statistics.update(names[2:])
    return weights, statistics


def _free(owner: nn.Module, name: str, known: Collection[str]) -> str:
    """The name, with underscores until torch has no attribute of that name."""
    while name not in known and hasattr(owner, name):
        name += "_"
    return name


def _seen(hook: OnValue | None, name: str, tensor: Tensor) -> Tensor:
    replaced = hook(name, tensor) if hook is not None else None
    return tensor if replaced is None else replaced


def _batch_size(values: Sequence[Value], inputs: Sequence[Tensor]) -> int:
    """The batch size, 1 where it is fixed."""
    batch = 1
    if len(inputs) != len(values):
        raise ValueError(f"the network has {len(values)} inputs, not {len(inputs)}")
    for value, x in zip(values, inputs, strict=True):
        grows = [size // -dim for dim, size in zip(value.shape, x.shape, strict=False) if dim < 0]
        if grows:  # along any axis: a part of a network may begin with (tokens, N, width)
            batch = grows[0]
            break
    for value, x in zip(values, inputs, strict=True):
        expected = with_batch(value.shape, batch)
        if tuple(x.shape) != expected:
            raise ValueError(
                f"input {value.name} has shape {tuple(x.shape)}, but the network takes {expected}"
            )
    return batch
