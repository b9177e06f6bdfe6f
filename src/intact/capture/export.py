"""torch.export to Graph: `capture` for a module, `capture_exported` for a program on file."""

import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram, ShapesCollection
from torch.export.graph_signature import InputKind, OutputKind
from torch.utils import _pytree as pytree

from intact.capture.builder import Builder, Constant
from intact.capture.dims import Dims, format_of
from intact.capture.interpret import Interpreter, Result
from intact.capture.naming import finish
from intact.errors import UnsupportedOpError
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Value

_HARMLESS = (  # of torch about itself, during export
    (FutureWarning, r"`isinstance\(treespec, LeafSpec\)` is deprecated"),
    (UserWarning, r"The tensor attributes .*_flat_weights.* were assigned during export"),
    (UserWarning, r"Using padding='same' with even kernel lengths"),
    (UserWarning, r"TF32 acceleration on top of oneDNN"),
)
_NOISY = ("torch._subclasses.fake_tensor", "torch.fx.experimental.symbolic_shapes")  # loggers
# Their fast paths in eval mode hide the layers; in training mode their own dropout shows as well.
_HAVE_FAST_PATH = (nn.MultiheadAttention, nn.TransformerEncoderLayer)


def capture(
    model: nn.Module, example: tuple[Tensor, ...] | Tensor, *, dynamic_batch: bool = True
) -> Graph[FloatOp]:
    """The graph of a module, as it runs in evaluation, with its BatchNorm and Dropout in place.

    Axis 0 of every input is the batch, of any size unless dynamic_batch is False. The module is
    left as it was.

    Raises:
        ValueError: if the example is not a tensor or tuple of tensors, is empty, or if the model
            fails on it.
        UnsupportedOpError: if the model does what a graph cannot express; says where.
    """
    inputs = _checked(example, one_batch=dynamic_batch)
    if dynamic_batch:
        inputs = tuple(x.expand(2, *x.shape[1:]) if len(x) == 1 else x[:2] for x in inputs)
    with _evaluating(model), _quiet():
        return capture_exported(_exported(model, inputs, dynamic_batch=dynamic_batch))


def _checked(example: tuple[Tensor, ...] | Tensor, *, one_batch: bool) -> tuple[Tensor, ...]:
    inputs = (example,) if isinstance(example, Tensor) else example
    if not isinstance(inputs, tuple | list) or not inputs:
        raise ValueError(f"the example input must be a tensor or a tuple of them, not {inputs!r}")
    for x in inputs:
        if not isinstance(x, Tensor):
            raise ValueError(f"the example input must consist of tensors, not {type(x).__name__}")
        if x.dim() == 0 or x.numel() == 0:
            raise ValueError(f"the example input needs a batch, but has shape {tuple(x.shape)}")
    if one_batch and len({len(x) for x in inputs}) > 1:
        shapes = ", ".join(str(tuple(x.shape)) for x in inputs)
        raise ValueError(f"axis 0 of every input is the batch, but the example has {shapes}")
    return tuple(inputs)


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode inside, the modules' own modes after it."""
    modes = [(part, part.training) for part in model.modules()]
    try:
        for part, _ in modes:
            part.training = isinstance(part, _HAVE_FAST_PATH)
        yield
    finally:
        for part, mode in modes:
            part.training = mode


@contextmanager
def _quiet() -> Iterator[None]:
    """Torch's remarks about itself left out; what else is printed goes to stderr."""
    loggers = [logger for name in _NOISY if not (logger := logging.getLogger(name)).disabled]
    try:
        for logger in loggers:
            logger.disabled = True
        with warnings.catch_warnings(), redirect_stdout(sys.stderr):
            for category, message in _HARMLESS:
                warnings.filterwarnings("ignore", message, category)
            yield
    finally:
        for logger in loggers:
            logger.disabled = False


def _exported(
    model: nn.Module, inputs: tuple[Tensor, ...], *, dynamic_batch: bool
) -> ExportedProgram:
    batch = Dim("batch")
    shapes: Any = ShapesCollection()  # type: ignore[no-untyped-call]
    for x in inputs:
        shapes[x] = {0: batch}
    shapes = shapes if dynamic_batch else None
    try:
        return torch.export.export(model, inputs, dynamic_shapes=shapes, strict=False)
    except Exception as error:  # whatever tracing the user's code can raise
        _check_that_it_runs(model, inputs)
        raise _cannot_export(error, dynamic_batch=dynamic_batch) from error


def _check_that_it_runs(model: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    try:
        with torch.no_grad():
            model(*inputs)
    except Exception as error:
        shapes = ", ".join(str(tuple(x.shape)) for x in inputs)
        raise ValueError(f"the model fails on an example of shape {shapes}: {error}") from error


def _cannot_export(error: Exception, *, dynamic_batch: bool) -> UnsupportedOpError:
    reason = next((line for line in str(error).splitlines() if line.strip()), repr(error))
    if dynamic_batch and "Constraints violated" in str(error):
        return UnsupportedOpError(
            f"the network fixes its batch size ({reason}). Take sizes from x.shape, which len(x)"
            " and int() do not, make recurrent layers with batch_first=True, or capture with"
            " dynamic_batch=False."
        )
    return UnsupportedOpError(
        f"torch.export cannot trace the model: {reason}\nTracing needs a forward without branches"
        " on the values of tensors; rewrite that part, or cut the model before it."
    )


def capture_exported(program: ExportedProgram) -> Graph[FloatOp]:
    """The graph of an exported program, such as `torch.export.load` gives.

    Export without `run_decompositions`: what it takes apart (attention, hard-swish) stays apart,
    and often in pieces that no graph has.

    Raises:
        UnsupportedOpError: if the program does what a graph cannot express; says where.
    """
    user_inputs = _user_inputs(program)
    builder = Builder(Dims(_batch_symbol(user_inputs)))
    inputs: list[Value] = []
    arguments: list[Result] = []
    for node, name in zip(_placeholders(program), _state_names(program), strict=True):
        if name is not None:
            arguments.append(builder.state(_state(program, name), _given(name)))
        elif isinstance(node.meta.get("val"), Tensor):
            tensor = node.meta["val"]
            shape = builder.dims.shape(tensor.shape)
            inputs.append(Value(str(node.target), shape, format_of(tensor)))
            arguments.append(inputs[-1])
        else:
            arguments.append(node.meta.get("val"))
    with _quiet():
        results = Interpreter(builder, program.graph_module).run(program.graph_module, arguments)
    return finish(builder, inputs, _outputs(program, builder, results))


def _placeholders(program: ExportedProgram) -> list[torch.fx.Node]:
    return [node for node in program.graph.nodes if node.op == "placeholder"]


def _state_names(program: ExportedProgram) -> list[str | None]:
    """State-dict name of each placeholder; None for the user's inputs."""
    return [
        None if spec.kind == InputKind.USER_INPUT else spec.target
        for spec in program.graph_signature.input_specs
    ]


def _user_inputs(program: ExportedProgram) -> list[Tensor]:
    pairs = zip(_placeholders(program), _state_names(program), strict=True)
    values = [node.meta.get("val") for node, name in pairs if name is None]
    return [value for value in values if isinstance(value, Tensor)]


def _given(name: str) -> str | None:
    """The name; None for a tensor made in forward, which torch has numbered."""
    return None if name.rpartition(".")[2].startswith("lifted_tensor_") else name


def _state(program: ExportedProgram, name: str) -> Tensor:
    found = program.state_dict.get(name)
    found = program.constants[name] if found is None else found
    assert isinstance(found, Tensor)
    return found


def _batch_symbol(inputs: Sequence[Tensor]) -> object:
    """The size of axis 0 of the first input where it varies."""
    for x in inputs:
        size: object = x.shape[0] if x.dim() else 0
        if isinstance(size, torch.SymInt) and size.node.expr.is_Symbol:
            return size.node.expr
    return None


def _outputs(
    program: ExportedProgram, builder: Builder, results: Sequence[Result]
) -> list[tuple[Value, str | None]]:
    """The user's outputs in order, with their names in dicts."""
    specs = program.graph_signature.output_specs
    kept = [
        result
        for result, spec in zip(results, specs, strict=True)
        if spec.kind == OutputKind.USER_OUTPUT
    ]
    structure = program.call_spec.out_spec
    assert structure is not None
    names = _leaf_names(pytree.tree_unflatten(kept, structure))
    return [
        (builder.value(result), name or None)
        for result, name in zip(kept, names, strict=True)
        if isinstance(result, Value | Constant)
    ]


def _leaf_names(structure: object, prefix: str = "") -> list[str]:
    """The dict keys on the way to each leaf, joined by dots; "" where there are none."""
    match structure:
        case dict():
            parts = [(f"{prefix}.{key}".lstrip("."), part) for key, part in structure.items()]
        case list() | tuple():
            keyed = [(f"{prefix}.{i}", part) for i, part in enumerate(structure)]
            parts = keyed if prefix and len(keyed) > 1 else [(prefix, part) for part in structure]
        case _:
            return [prefix]
    return [name for key, part in parts for name in _leaf_names(part, key)]
