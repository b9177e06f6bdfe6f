"""export_c: a quantized network as C sources, within budgets of memory."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from intact.api.code_size import code_bytes
from intact.api.network import QuantizedNetwork, to_program
from intact.api.vectors import drawn_codes
from intact.data.batch import blaming_indices
from intact.data.function import item_inputs
from intact.emit import c
from intact.errors import BudgetError, CalibrationError
from intact.exec import reference
from intact.ir.boundary import CodeBoundary, code_boundary
from intact.ir.graph import sample_slices
from intact.ir.int_ops import Program
from intact.model import QuantizedModel
from intact.numerics.arrays import Array
from intact.passes.fit_ram import fit_ram

_VECTORS = 2  # that the self-test runs


def export_c(
    network: QuantizedNetwork | QuantizedModel | Program,
    folder: str | Path,
    *,
    ram: int | None = None,
    flash: int | None = None,
    kernels: c.Kernels = c.Kernels.PORTABLE,
    name: str = c.DEFAULT_NAME,
    samples: object = None,
    seed: int = 0,
) -> c.Report:
    """Writes C99 sources of a network of integers; all files or none.

    Args:
        network: What `quantize` or `load` gave.
        folder: Made if it is missing; the folder that it is in must exist.
        ram: Bytes for all tensors, inputs and outputs included. If the network needs more, layers
            of large images are computed in bands of rows, with the same integers.
        flash: Bytes for the constants, and for the code where a compiler for Cortex-M can tell.
        kernels: Whose; with CMSIS-NN, what it needs while a layer runs counts as ram.
        name: Of the model: how names of its files and functions begin, so that one program may hold
            several; an identifier of C.
        samples: A batch of inputs, of which the first become the self-test's; by default the test
            vectors of the network's certificate, and random codes where there are none.
        seed: Of the random codes.

    Raises:
        ValueError: if the model cannot have that name, or there are no such kernels.
        UnsupportedOpError: names the layer that computes with real numbers or has no kernel.
        BudgetError: if a budget is too small; names the layer.
        CalibrationError: if the samples do not fit the network.
        OSError: if the folder cannot be written.
    """
    kernels = c.Kernels(kernels)  # a name does as well, where nothing checks types
    cut = code_boundary(to_program(network))
    program = reference.folded(cut.program)
    model = c.translate(program, kernels, name)
    found = c.report(model)
    if ram is not None and found.ram > ram:
        fitted = fit_ram(program, ram, partial(c.plan_storage, kernels=kernels))
        model = c.translate(fitted.program, kernels, name)
        found = replace(
            c.report(model),
            bands=fitted.bands,
            banded=fitted.stage,
            extra_macs=fitted.extra_macs,
        )
    found = replace(found, code=code_bytes(model))
    if flash is not None and found.flash > flash:
        raise _too_large(found, flash)
    if samples is not None:
        inputs = _given(cut, samples)
    else:
        inputs = _certified(network) or drawn_codes(program, _VECTORS, seed)
    c.write(model, Path(folder), list(_vectors(program, inputs)))
    return found


def _too_large(found: c.Report, flash: int) -> BudgetError:
    layer = max(found.layers, key=lambda layer: layer.flash)
    code = f"{found.code} of them are code, " if found.code else ""
    return BudgetError(
        f"the network takes {found.flash} bytes of flash, more than the {flash} allowed;"
        f' {code}{layer.flash} are of "{layer.name}": give that layer fewer channels, or allow'
        " that much"
    )


def _given(cut: CodeBoundary, samples: object) -> Mapping[str, Array]:
    """The codes of the user's samples."""
    arrays = item_inputs(samples, cut.before.inputs, "the samples")
    if any(array.size == 0 for array in arrays):
        raise CalibrationError("there are no samples for the self-test: give at least one")
    names = [value.name for value in cut.before.inputs]
    return reference.load(cut.before)(dict(zip(names, arrays, strict=True)))


def _certified(network: QuantizedNetwork | QuantizedModel | Program) -> Mapping[str, Array]:
    """The codes of the certificate's vectors; none without them."""
    certificate = network.certificate if isinstance(network, QuantizedNetwork) else None
    return {} if certificate is None or certificate.vectors is None else certificate.vectors.inputs


def _vectors(program: Program, inputs: Mapping[str, Array]) -> Iterator[c.Vector]:
    """Each of the first samples, and what the reference computes of it."""
    run = reference.load(program)
    for number in range(_count(program, inputs)):
        one = {
            value.name: inputs[value.name][sample_slices(value.shape, number)].copy(order="C")
            for value in program.inputs
        }
        with blaming_indices(program.inputs, "the self-test"):
            made = run(one)
        yield c.Vector(tuple(one.values()), tuple(made[value.name] for value in program.outputs))


def _count(program: Program, inputs: Mapping[str, Array]) -> int:
    """How many samples there are, at most two."""
    for value in program.inputs:
        for dim, size in zip(value.shape, inputs[value.name].shape, strict=True):
            if dim < 0:
                return min(int(size) // -dim, _VECTORS)
    return 1
