"""The text of model.h and model.c."""

from collections.abc import Iterator
from dataclasses import dataclass

from intact.emit.c import cmsis_nn
from intact.emit.c.declarations import Data, folded
from intact.emit.c.model import Model
from intact.emit.c.names import comment
from intact.emit.c.site import volume
from intact.ir.graph import Value
from intact.numerics.formats import Int


def header(model: Model) -> str:
    """model.h."""
    return "\n".join(
        [
            "/* A quantized neural network, written by intact.",
            " *",
            " * Tensors are stored row by row, channels last: (height, width, channels). A code",
            " * stands for scale * (code - zero point). */",
            "#ifndef MODEL_H_",
            "#define MODEL_H_",
            "",
            "#include <stdint.h>",
            "",
            *(line for port in ports(model) for line in _macros(port)),
            "/* Bytes of static memory, inputs and outputs included. */",
            f"#define MODEL_ARENA_BYTES {model.storage.arena}",
            "",
            "#ifdef __cplusplus",
            'extern "C" {',
            "#endif",
            "",
            *_run_comment(model),
            f"{signature(model)};",
            "",
            "/* Where the codes lie while the network runs. model_run copies its inputs there and",
            " * its outputs from there, unless it is given these very pointers: then no other",
            " * buffers are needed. Every run overwrites the inputs. */",
            *(f"{port.signature};" for port in ports(model)),
            "",
            "/* Runs the network on the test vectors in model_test.c and compares hashes of the",
            " * output codes: 0 if all are the reference's, else the number of the first that",
            " * differs. A firmware that does not call it need not link model_test.c. */",
            "int model_self_test(void);",
            "",
            "#ifdef __cplusplus",
            "}",
            "#endif",
            "",
            "#endif /* MODEL_H_ */",
            "",
        ]
    )


def _run_comment(model: Model) -> list[str]:
    lines = [
        "/* Computes the output codes of one sample. Buffers must not overlap; calls must not run",
        " * at the same time, as they share their memory.",
    ]
    if model.may_fail:
        lines[-1] += " Returns 0; other numbers say"
        lines.append(" * that the outputs are not to be used:")
    if model.has_indices:
        lines.append(" * 1, an index is that of no row of its table;")
    if model.calls_cmsis_nn:
        lines.append(" * 2, CMSIS-NN refuses, or needs more scratch memory than known versions.")
    return [*lines[:-1], f"{lines[-1]} */"]


def _macros(port: "Port") -> Iterator[str]:
    """What a program must know of an input or output."""
    value, name = port.value, port.function.upper()
    shape = value.shape[1:] if value.shape[:1] == (1,) else value.shape
    yield comment(f"{value.name}: {value.dtype}, shape {shape}")
    yield f"#define {name}_ELEMENTS {volume(shape)}"
    yield f"#define {name}_SHAPE {{{', '.join(map(str, shape or (1,)))}}}"
    if isinstance(value.dtype, Int) and value.dtype.bits <= 16:
        yield f"#define {name}_MIN ({value.dtype.qmin})"
        yield f"#define {name}_MAX {value.dtype.qmax}"
    params = value.params
    if params is not None and params.scale.size == 1:
        yield f"#define {name}_SCALE {float(params.scale.reshape(())):#.9g}f"
        yield f"#define {name}_ZERO_POINT ({int(params.offset.reshape(()))})"
    yield ""


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output as model_run's parameter, and its place in the arena."""

    value: Value
    parameter: str
    is_input: bool
    place: str

    @property
    def function(self) -> str:
        """The function that tells its place."""
        prefix, kind = ("in", "input") if self.is_input else ("out", "output")
        return f"model_{kind}{self.parameter.removeprefix(prefix)}"

    @property
    def type(self) -> str:
        """C's type of a code."""
        return f"{self.value.dtype.storage.name}_t"

    @property
    def signature(self) -> str:
        """The head of that function."""
        return f"{self.type}* {self.function}(void)"

    @property
    def copy(self) -> str:
        """What model_run does where its caller has a buffer of his own."""
        to, source = self.function + "()", self.parameter
        if not self.is_input:
            to, source = source, to
        size = volume(self.value.shape) * self.value.dtype.storage.itemsize
        return f"if ({to} != {source}) memcpy({to}, {source}, {size});"


def ports(model: Model) -> list[Port]:
    """The inputs, then the outputs."""
    storage, program = model.storage, model.program
    return [
        Port(value, parameter, is_input, storage.places[value.name])
        for values, parameters, is_input in (
            (program.inputs, storage.inputs, True),
            (program.outputs, storage.outputs, False),
        )
        for value, parameter in zip(values, parameters, strict=True)
    ]


def signature(model: Model) -> str:
    """The head of model_run."""
    inputs = zip(model.storage.inputs, model.program.inputs, strict=True)
    outputs = zip(model.storage.outputs, model.program.outputs, strict=True)
    parameters = [f"const {v.dtype.storage.name}_t* {name}" for name, v in inputs]
    parameters += [f"{v.dtype.storage.name}_t* {name}" for name, v in outputs]
    kind = "int" if model.may_fail else "void"
    return f"{kind} model_run({', '.join(parameters)})"


def source(model: Model, outside: int | None = None) -> str:
    """model.c; arrays of `outside` bytes and more are declared only."""
    lines = [
        "/* The network of model.h: its constants, and its layers in the order in which they run.",
        " */",
        '#include "model.h"',
        "",
        "#include <string.h>",
        "",
        '#include "intact_kernels.h"',
        "",
    ]
    if model.calls_cmsis_nn:
        lines += [*cmsis_nn.HEAD, ""]
    lines += [
        "/* All tensors; aligned for codes of any type. */",
        "static union {",
        "  uint64_t aligned;",
        "  uint8_t bytes[MODEL_ARENA_BYTES];",
        "} arena;",
        "",
    ]
    for item in model.declarations.items:
        if isinstance(item, Data) and outside is not None and item.values.nbytes >= outside:
            lines += [f"extern {item.head};", ""]
        else:
            lines += [*item.lines(), ""]
    for port in ports(model):
        lines += [f"{port.signature} {{ return ({port.type}*)(void*)({port.place}); }}", ""]
    return "\n".join([*lines, *_run(model), ""])


def _run(model: Model) -> Iterator[str]:
    yield f"{signature(model)} {{"
    yield from (f"  {port.copy}" for port in ports(model) if port.is_input)
    for step in model.steps:
        yield f"  {comment(step.about)}"
        if len(step.statements) == 1:
            yield from folded(f"  {step.statements[0]}")
            continue
        yield "  {"
        for statement in step.statements:
            yield from folded(f"    {statement}")
        yield "  }"
    yield from (f"  {port.copy}" for port in ports(model) if not port.is_input)
    if model.may_fail:
        yield "  return 0;"
    yield "}"
