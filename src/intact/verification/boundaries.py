"""Programs in runtimes that take codes: the reference executor does what lies outside."""

from collections.abc import Callable, Mapping

from intact.exec import reference
from intact.exec.runner import Runner
from intact.ir.boundary import code_boundary
from intact.ir.int_ops import Program
from intact.numerics.arrays import Array
from intact.verification.samples import SampleRunner, by_samples


def tflite_bytes(program: Program) -> bytes:
    """The TFLite file of a Program from codes to codes; raises as `through_file`."""
    from intact.emit.tflite import codes_to_bytes  # tflite is optional

    return codes_to_bytes(program)


def through_codes(program: Program, load: Callable[[Program], Runner]) -> Runner:
    """Runs a Program in what takes the part between codes, behind the border to real numbers."""
    boundary = code_boundary(program)
    before, after = reference.load(boundary.before), reference.load(boundary.after)
    run = load(boundary.program)

    def whole(inputs: Mapping[str, Array]) -> dict[str, Array]:
        return after(run(before(inputs)))

    return whole


def through_file(program: Program, load_file: Callable[[bytes, Program], SampleRunner]) -> Runner:
    """Runs a Program as its TFLite file, behind the border where real numbers become codes.

    `load_file` gets the file and the Program between codes whose names it has.

    Raises:
        ImportError: if the schema package is not installed.
        UnsupportedOpError: if the Program cannot be exported.
    """

    def load(core: Program) -> Runner:
        return by_samples(load_file(tflite_bytes(core), core), core.inputs, core.outputs)

    return through_codes(program, load)
