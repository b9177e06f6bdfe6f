"""What `verify` has found."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from intact.ir.hashing import combined_sha256
from intact.verification import Agreement, Comparison


@dataclass(frozen=True, slots=True)
class VerifiedOutput:
    """One output of the whole network.

    `sha256` is that of the reference's codes (real numbers where there are none) of all samples in
    order, in row-major order, little-endian; it does not depend on how the samples are cut.
    """

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Verification:
    """Executors against the reference on the same samples.

    In the layers of ONNX Runtime, each reads the reference's codes, so that each shows its own
    difference and no other's.
    """

    samples: int
    outputs: tuple[VerifiedOutput, ...]
    agreements: tuple[Agreement, ...]  # one for each executor and setting
    skipped: Mapping[str, str]  # executors that were not run, and why
    onnxruntime: Comparison | None  # None if it was not asked for
    tolerance: int  # in codes, of ONNX Runtime

    @property
    def sha256(self) -> str:
        """One hash of all outputs: of their hashes' bytes, in order."""
        return combined_sha256(output.sha256 for output in self.outputs)

    @property
    def executors(self) -> tuple[str, ...]:
        """The names of those that were compared."""
        names = dict.fromkeys(agreement.executor for agreement in self.agreements)
        return (*names, "onnxruntime") if self.onnxruntime is not None else tuple(names)

    @property
    def met(self) -> bool:
        """Whether nothing differs where equality is promised, nor ONNX Runtime beyond tolerance."""
        return self.exact and self.within

    @property
    def exact(self) -> bool:
        """Whether all executors computed the reference's codes wherever they promise to."""
        return all(agreement.met for agreement in self.agreements)

    @property
    def within(self) -> bool:
        """Whether no code of a layer in ONNX Runtime differs by more than the tolerance."""
        return self.onnxruntime is None or self.onnxruntime.largest <= self.tolerance

    def __str__(self) -> str:
        """What was compared, the layers that differ most, and the hashes of the outputs."""
        lines = [f"{self.samples} samples", *map(str, self.agreements)]
        if self.onnxruntime is not None:
            lines += _onnxruntime_lines(self.onnxruntime)
        lines += [
            f'"{output.name}": reference codes SHA-256 {output.sha256}' for output in self.outputs
        ]
        lines.append(f"all outputs together: SHA-256 {self.sha256}")
        return "\n".join(lines)


def _onnxruntime_lines(found: Comparison) -> Iterator[str]:
    yield (
        f"ONNX Runtime: {found.codes:,} codes of {len(found.layers)} layers,"
        f" {found.equal:.4%} equal, largest difference {found.largest}"
    )
    for layer in found.worst(5):
        if layer.largest:
            yield (
                f'ONNX Runtime, "{layer.name}": {layer.equal:.4%} equal,'
                f" largest difference {layer.largest}"
            )
    for output in found.outputs:
        yield (
            f'ONNX Runtime, "{output.name}": largest difference {output.largest:.3g} of'
            f" {output.scale:.3g}"
        )
