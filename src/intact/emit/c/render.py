"""The text of a model's header and source."""

from collections.abc import Iterator

from intact.emit.c import cmsis_nn
from intact.emit.c.declarations import Data, folded
from intact.emit.c.model import Model
from intact.emit.c.names import comment
from intact.emit.c.ports import Port
from intact.emit.c.site import volume
from intact.numerics.formats import Int


def header(model: Model) -> str:
    """NAME.h."""
    name, macros = model.name, model.name.upper()
    return "\n".join(
        [
            "/* A quantized neural network, written by intact.",
            " *",
            " * Tensors are stored row by row, channels last: (height, width, channels). A code",
            " * stands for scale * (code - zero point). */",
            f"#ifndef {macros}_H_",
            f"#define {macros}_H_",
            "",
            "#include <stdint.h>",
            "",
            *(line for port in model.ports for line in _macros(port)),
            "/* Bytes of static memory, inputs and outputs included. */",
            f"#define {macros}_ARENA_BYTES {model.storage.arena}",
            "",
            "#ifdef __cplusplus",
            'extern "C" {',
            "#endif",
            "",
            *_run_comment(model),
            *folded(f"{signature(model)};"),
            "",
            f"/* Where the codes lie while the network runs. {name}_run copies its inputs there",
            " * and its outputs from there, unless it is given these very pointers: then no",
            " * other buffers are needed. Every run overwrites the inputs. */",
            *(f"{port.signature};" for port in model.ports),
            "",
            f"/* Runs the network on the test vectors in {name}_test.c and compares hashes of the",
            " * output codes: 0 if all are the reference's, else the number of the first that",
            f" * differs. A firmware that does not call it need not link {name}_test.c. */",
            f"int {name}_self_test(void);",
            "",
            "#ifdef __cplusplus",
            "}",
            "#endif",
            "",
            f"#endif /* {macros}_H_ */",
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


def _macros(port: Port) -> Iterator[str]:
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


def signature(model: Model) -> str:
    """The head of the function that runs the model."""
    kind = "int" if model.may_fail else "void"
    return f"{kind} {model.name}_run({', '.join(port.declaration for port in model.ports)})"


def source(model: Model, outside: int | None = None) -> str:
    """NAME.c; arrays of `outside` bytes and more are declared only."""
    lines = [
        f"/* The network of {model.name}.h: its constants, and its layers in the order in which",
        " * they run. */",
        f'#include "{model.name}.h"',
        "",
        "#include <string.h>",
        "",
        f'#include "{model.name}_kernels.h"',
        "",
    ]
    if model.calls_cmsis_nn:
        lines += [*cmsis_nn.HEAD, ""]
    lines += [
        "/* All tensors; aligned for codes of any type. */",
        "static union {",
        "  uint64_t aligned;",
        f"  uint8_t bytes[{model.name.upper()}_ARENA_BYTES];",
        "} arena;",
        "",
    ]
    for item in model.declarations.items:
        if isinstance(item, Data) and outside is not None and item.values.nbytes >= outside:
            lines += [f"extern {item.head};", ""]
        else:
            lines += [*item.lines(), ""]
    for port in model.ports:
        lines += [f"{port.signature} {{ return ({port.type}*)(void*)({port.place}); }}", ""]
    return "\n".join([*lines, *_run(model), ""])


def _run(model: Model) -> Iterator[str]:
    yield from folded(f"{signature(model)} {{")
    yield from (f"  {port.copy}" for port in model.ports if port.is_input)
    for step in model.steps:
        yield f"  {comment(step.about)}"
        if len(step.statements) == 1:
            yield from folded(f"  {step.statements[0]}")
            continue
        yield "  {"
        for statement in step.statements:
            yield from folded(f"    {statement}")
        yield "  }"
    yield from (f"  {port.copy}" for port in model.ports if not port.is_input)
    if model.may_fail:
        yield "  return 0;"
    yield "}"
