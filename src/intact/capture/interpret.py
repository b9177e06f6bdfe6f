"""Walks a torch.export program and hands each ATen call to its translation."""

import itertools
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch
from torch import Tensor, fx
from torch._ops import HigherOrderOperator, OpOverload
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree

from intact.capture.aten import TRANSLATIONS
from intact.capture.aten_shape import identity
from intact.capture.builder import Builder, Call, Constant, Origin
from intact.capture.dims import Dims
from intact.capture.inplace import Aliases, functional_variant, writes_first
from intact.errors import UnsupportedOpError
from intact.ir.graph import Value

Result: TypeAlias = Any  # Value, Constant, a size, None, or a list of these

_TRANSPARENT = ("wrap_with_set_grad_enabled", "wrap_with_autocast")
_CHECKS = ("_assert_tensor_metadata", "_assert_scalar", "_assert_async", "sym_constrain_range")
_NOT_AUTOMATIC = torch.Tag.nondeterministic_seeded


@dataclass(frozen=True, slots=True)
class _Scope:
    """One fx graph while it is walked."""

    env: dict[fx.Node, Result]
    aliases: Aliases
    around: Origin | None  # the call whose decomposition this graph is


class Interpreter:
    """Translates fx graphs into the nodes of a `Builder`."""

    def __init__(self, builder: Builder, module: fx.GraphModule) -> None:
        self._builder = builder
        self._containers = {
            key
            for part in module.modules()
            if isinstance(part, fx.GraphModule)
            for node in part.graph.nodes
            for key in _calling(node.meta.get("nn_module_stack") or {})
        }

    def run(
        self, module: fx.GraphModule, inputs: Sequence[Result], around: Origin | None = None
    ) -> list[Result]:
        """The results of a graph for the given inputs; no module is called in it."""
        scope = _Scope({}, Aliases(module.graph), around)
        waiting = iter(inputs)
        for node in module.graph.nodes:
            match node.op:
                case "placeholder":
                    scope.env[node] = next(waiting)
                case "get_attr":
                    scope.env[node] = self._attribute(module, node.target)
                case "output":
                    return list(_flat(_resolved(node.args[0], scope.env)))
                case _:
                    scope.env[node] = self._call(node, scope)
        raise AssertionError("an fx graph ends in its output")

    def _attribute(self, module: fx.GraphModule, target: str) -> Result:
        found = operator.attrgetter(target)(module)
        return self._builder.state(found, None) if isinstance(found, Tensor) else found

    def _call(self, node: fx.Node, scope: _Scope) -> Result:
        args = _resolved(node.args, scope.env)
        kwargs = _resolved(node.kwargs, scope.env)
        target = node.target
        if target is operator.getitem:
            return self._item(node, *args)
        if isinstance(target, HigherOrderOperator):
            return self._inline(node, args)
        if not isinstance(target, OpOverload):
            return node.meta.get("val")  # arithmetic of sizes
        if str(target).split(".")[1].startswith(_CHECKS):
            return None
        result = self._translate(node, target, args, kwargs, scope)
        if writes_first(target) and not _written_in_place(args[0], result):
            scope.aliases.write(node, result, scope.env, self._origin(node, scope))
        return result

    def _item(self, node: fx.Node, results: Sequence[Result], index: int) -> Result:
        if index < len(results):
            return results[index]
        if not node.users:
            return None
        source = node.args[0]
        assert isinstance(source, fx.Node)
        origin = self._origin(source, None)
        raise UnsupportedOpError(
            f'result {index} of {origin.op} at "{origin.place}" is not supported.'
            " Use the first alone."
        )

    def _inline(self, node: fx.Node, args: Sequence[Result]) -> Result:
        name = str(node.target)
        if name not in _TRANSPARENT:
            raise UnsupportedOpError(
                f'control flow that depends on data ({name}) at "{self._origin(node, None).place}"'
                " is not supported. Rewrite it without branches, or cut the model before it."
            )
        position = next(i for i, arg in enumerate(args) if isinstance(arg, fx.GraphModule))
        return self.run(args[position], args[position + 1 :])

    def _translate(
        self,
        node: fx.Node,
        target: OpOverload,
        args: Sequence[Result],
        kwargs: Mapping[str, Result],
        scope: _Scope,
    ) -> Result:
        value = node.meta.get("val")
        if not _tensors(value):
            return value  # a size
        origin = self._origin(node, scope)
        folded = self._folded(target, value, args, kwargs, origin)
        if folded is not None:
            return folded
        target = functional_variant(target)
        call = Call(self._builder, origin, *_signature(value, self._builder.dims))
        translation = TRANSLATIONS.get(target)
        if translation is not None:
            result = _applied(translation, call, args, kwargs)
            return result if isinstance(value, Tensor) or isinstance(result, list) else [result]
        if target.has_kernel_for_dispatch_key(torch.DispatchKey.CompositeImplicitAutograd):
            try:
                return self._decomposed(node, target, scope, origin)
            except RuntimeError as error:  # torch cannot trace its own definition
                raise call.refuse() from error
        raise call.refuse()

    def _folded(
        self,
        target: OpOverload,
        value: Any,
        args: Sequence[Result],
        kwargs: Mapping[str, Result],
        origin: Origin,
    ) -> Result:
        """The results of a call whose arguments are all known; None if they are not."""
        leaves = _flat([list(args), dict(kwargs)])
        sizes = (size for tensor in _tensors(value) for size in tensor.shape)
        if (
            any(isinstance(leaf, Value | torch.SymInt) for leaf in leaves)
            or any(isinstance(size, torch.SymInt) for size in sizes)
            or _NOT_AUTOMATIC in target.tags
        ):
            return None
        written = args[0] if writes_first(target) else None
        if isinstance(written, Constant) and not self._builder.may_write(written):
            target = functional_variant(target)
        with torch.no_grad():
            result = target(*_unwrapped(args), **_unwrapped(kwargs))
        if isinstance(result, Tensor):
            if TRANSLATIONS.get(functional_variant(target)) is identity and args[0].name is None:
                origin = args[0].origin
            return self._builder.computed(result, origin)
        return [self._builder.computed(part, origin) for part in result]

    def _decomposed(
        self, node: fx.Node, target: OpOverload, scope: _Scope, origin: Origin
    ) -> Result:
        """The results of a composite call, translated by torch's own definition of it."""
        leaves, structure = pytree.tree_flatten((node.args, node.kwargs))
        nodes = [leaf for leaf in leaves if isinstance(leaf, fx.Node)]

        def composite(*values: object) -> object:
            waiting = iter(values)
            filled = [next(waiting) if isinstance(leaf, fx.Node) else leaf for leaf in leaves]
            args, kwargs = pytree.tree_unflatten(filled, structure)
            return target.decompose(*args, **kwargs)

        # With oneDNN, recurrent layers would stay in one piece.
        with torch.backends.mkldnn.flags(enabled=False):
            traced = make_fx(composite)(*(leaf.meta["val"] for leaf in nodes))
        results = self.run(traced, [scope.env[leaf] for leaf in nodes], origin)
        return results[0] if isinstance(node.meta["val"], Tensor) else results

    def _origin(self, node: fx.Node, scope: _Scope | None) -> Origin:
        namespace, name, *_ = f"{node.target}.".split(".")
        function = name.strip("_").removesuffix("_with_indices") or namespace
        if scope is not None and scope.around is not None:
            return replace(scope.around, function=function)
        stack = node.meta.get("nn_module_stack") or {}
        calls = tuple(stack)
        path = str(stack[calls[-1]][0]) if calls else ""
        return Origin(
            calls=calls,
            path=path.removeprefix("L['self']").lstrip("."),
            function=function,
            op=f"{namespace}.{name}".rstrip("."),
            leaf=bool(calls) and calls[-1] not in self._containers,
        )


def _calling(stack: Mapping[str, tuple[str, object]]) -> list[str]:
    """Keys of the calls that call another module; parametrizations do not count as such."""
    calls = list(stack.items())
    return [
        outer
        for (outer, _), (_, (path, _)) in itertools.pairwise(calls)
        if "parametrizations" not in str(path).split(".")
    ]


def _applied(
    translation: Callable[..., Result],
    call: Call,
    args: Sequence[Result],
    kwargs: Mapping[str, Result],
) -> Result:
    """The translation's result; arguments that it has no place for are refused."""
    try:
        return translation(call, *args, **kwargs)
    except TypeError as error:
        if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
            raise  # from inside of the translation
        raise call.refuse(f"It is called in a way that is not known here ({error}).") from error


def _written_in_place(written: Result, result: Result) -> bool:
    """Whether a call with known arguments wrote to the constant's own memory."""
    known = isinstance(written, Constant) and isinstance(result, Constant)
    return known and written.tensor.data_ptr() == result.tensor.data_ptr()


def _signature(value: Any, dims: Dims) -> tuple[tuple[tuple[int, ...], ...], torch.dtype]:
    tensors = _tensors(value)
    return tuple(dims.shape(tensor.shape) for tensor in tensors), tensors[0].dtype


def _tensors(value: Any) -> list[Tensor]:
    return [leaf for leaf in _flat(value) if isinstance(leaf, Tensor)]


def _flat(value: Any) -> Iterable[Any]:
    """The leaves of nested lists, tuples and dicts, in order."""
    match value:
        case list() | tuple():
            for item in value:
                yield from _flat(item)
        case dict():
            for item in value.values():
                yield from _flat(item)
        case _:
            yield value


def _mapped(function: Callable[[Any], Any], value: Any) -> Any:
    match value:
        case list() | tuple():
            return [_mapped(function, item) for item in value]
        case dict():
            return {key: _mapped(function, item) for key, item in value.items()}
        case _:
            return function(value)


def _resolved(value: Any, env: Mapping[fx.Node, Result]) -> Any:
    """Arguments with what their nodes stand for."""
    return _mapped(lambda leaf: env[leaf] if isinstance(leaf, fx.Node) else leaf, value)


def _unwrapped(value: Any) -> Any:
    """Arguments with the tensors of their constants."""
    return _mapped(lambda leaf: leaf.tensor if isinstance(leaf, Constant) else leaf, value)
