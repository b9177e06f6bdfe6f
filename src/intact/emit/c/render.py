"""The text of model.h and model.c."""

from collections.abc import Iterator

from intact.emit.c.declarations import Data, folded
from intact.emit.c.model import Model
from intact.emit.c.names import comment, identifier
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
            *_ports("INPUT", model.program.inputs),
            *_ports("OUTPUT", model.program.outputs),
            "/* Bytes of static memory, beside the buffers that model_run is given. */",
            f"#define MODEL_ARENA_BYTES {model.storage.arena}",
            "",
            "#ifdef __cplusplus",
            'extern "C" {',
            "#endif",
            "",
            *_run_comment(model),
            f"{signature(model)};",
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
        " * at the same time, as they share the arena.",
    ]
    if model.may_fail:
        lines[-1] += " Returns 0, or 1 if an index is that of no row"
        lines.append(" * of its table: the outputs are then not to be used.")
    return [*lines[:-1], f"{lines[-1]} */"]


def port_names(kind: str, values: tuple[Value, ...]) -> list[str]:
    """MODEL_INPUT, or MODEL_INPUT_NAME for each of several."""
    if len(values) == 1:
        return [f"MODEL_{kind}"]
    return [f"MODEL_{kind}_{identifier(value.name).upper()}" for value in values]


def _ports(kind: str, values: tuple[Value, ...]) -> Iterator[str]:
    for name, value in zip(port_names(kind, values), values, strict=True):
        shape = value.shape[1:] if value.shape[:1] == (1,) else value.shape
        yield comment(f"{value.name}: {value.dtype}, shape {shape}")
        yield f"#define {name}_ELEMENTS {volume(shape)}"
        yield f"#define {name}_SHAPE {{{', '.join(map(str, shape or (1,)))}}}"
        if isinstance(value.dtype, Int) and value.dtype.bits <= 16:
            yield f"#define {name}_MIN ({value.dtype.qmin})"
            yield f"#define {name}_MAX {value.dtype.qmax}"
        params = value.params
        if params is not None and params.scale.size == 1:
            yield f"#define {name}_SCALE {float(params.scale.reshape(())):.9g}f"
            yield f"#define {name}_ZERO_POINT ({int(params.offset.reshape(()))})"
        yield ""


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
        '#include "intact_kernels.h"',
        "",
    ]
    for item in model.declarations.items:
        if isinstance(item, Data) and outside is not None and item.values.nbytes >= outside:
            lines += [f"extern {item.head};", ""]
        else:
            lines += [*item.lines(), ""]
    if model.storage.arena:
        lines += [
            "/* All tensors between the layers; aligned for codes of any type. */",
            "static union {",
            "  uint64_t aligned;",
            "  uint8_t bytes[MODEL_ARENA_BYTES];",
            "} arena;",
            "",
        ]
    return "\n".join([*lines, *_run(model), ""])


def _run(model: Model) -> Iterator[str]:
    yield f"{signature(model)} {{"
    for step in model.steps:
        yield f"  {comment(step.about)}"
        yield "  {"
        for statement in step.statements:
            yield from folded(f"    {statement}")
        yield "  }"
    if model.may_fail:
        yield "  return 0;"
    yield "}"
