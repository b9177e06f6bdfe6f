"""Calls that write to their argument, read as calls that do not."""

from collections.abc import Mapping, MutableMapping
from typing import Any

import torch
from torch import fx
from torch._ops import OpOverload

from intact.capture.builder import Origin
from intact.errors import UnsupportedOpError

_MAY_RETURN_ITS_INPUT = ("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout")


def writes_first(target: OpOverload) -> bool:
    """Whether a call writes to its first argument, as all of torch's in-place methods do."""
    arguments = target._schema.arguments
    alias = arguments[0].alias_info if arguments else None
    return alias is not None and alias.is_write


def functional_variant(target: OpOverload) -> OpOverload:
    """aten.relu_.default to aten.relu.default; others, and those without one, stay."""
    name, overload = target._schema.name.split("::")[1], target._overloadname
    if target.namespace != "aten" or not writes_first(target) or not name.endswith("_"):
        return target
    packet = getattr(torch.ops.aten, name[:-1], None)
    if packet is None or overload not in packet.overloads():
        return target
    found = getattr(packet, overload)
    assert isinstance(found, OpOverload)
    return found


class Aliases:
    """Which nodes of an fx graph are views of the same memory, by the operators' schemas."""

    def __init__(self, graph: fx.Graph) -> None:
        self._position = {node: i for i, node in enumerate(graph.nodes)}
        self._base: dict[fx.Node, fx.Node] = {}
        for node in graph.nodes:
            source = _viewed(node)
            self._base[node] = node if source is None else self._base[source]

    def write(
        self, node: fx.Node, result: Any, env: MutableMapping[fx.Node, Any], origin: Origin
    ) -> None:
        """What `node` wrote to is `result` from here on.

        Raises:
            UnsupportedOpError: if a view of other shape, which changed with it, is read later.
        """
        written = node.args[0]
        assert isinstance(written, fx.Node)
        before = env[written]
        for other in self._read_later(written, node, env):
            if env[other] is not before:
                raise UnsupportedOpError(
                    f'{origin.op} at "{origin.place}" is not supported: it writes in place to a'
                    " part or view of a tensor that is read later. Compute a new tensor instead."
                )
            env[other] = result

    def _read_later(
        self, written: fx.Node, node: fx.Node, env: Mapping[fx.Node, Any]
    ) -> list[fx.Node]:
        here = self._position[node]
        return [
            other
            for other in env
            if self._base[other] is self._base[written]
            and any(self._position[user] > here for user in other.users)
        ]


def _viewed(node: fx.Node) -> fx.Node | None:
    """The node whose memory this one may share."""
    if node.op != "call_function" or not node.args or not isinstance(node.args[0], fx.Node):
        return None
    target = node.target
    if not isinstance(target, OpOverload):
        return node.args[0] if getattr(target, "__name__", "") == "getitem" else None
    shares = any(result.alias_info is not None for result in target._schema.returns)
    name = target._schema.name.split("::")[1]
    return node.args[0] if shares or name in _MAY_RETURN_ITS_INPUT else None
