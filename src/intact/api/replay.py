"""verify_certificate: does a network still compute what its certificate says?"""

from collections.abc import Sequence
from dataclasses import dataclass

from intact.api.network import QuantizedNetwork
from intact.api.verification import Verification
from intact.api.verify import VerifiedName, compare, hold
from intact.ir.boundary import code_boundary
from intact.ir.certificate import Certificate, Vectors
from intact.verification import Executor


@dataclass(frozen=True, slots=True)
class Replay:
    """The test vectors of a certificate, run again: codes in, codes out."""

    certificate: Certificate
    vectors: Vectors
    verification: Verification

    @property
    def differing(self) -> tuple[str, ...]:
        """The outputs of which the reference no longer computes the certified codes."""
        pairs = zip(self.vectors.outputs, self.verification.outputs, strict=True)
        return tuple(
            certified.name for certified, found in pairs if certified.sha256 != found.sha256
        )

    @property
    def met(self) -> bool:
        """Whether the certified codes came out of the reference, and its own of every executor."""
        return not self.differing and self.verification.met

    def __str__(self) -> str:
        """What made the network, and what was proven."""
        count = self.vectors.samples
        result = "not the certified ones" if self.differing else "as certified"
        return (
            f"certificate: {self.certificate}\n"
            f"{count} test vector{'s' if count > 1 else ''}, the reference's codes are {result}\n"
            f"{self.verification}"
        )


def verify_certificate(
    network: QuantizedNetwork,
    *,
    executors: Sequence[VerifiedName | Executor] | None = None,
    tolerance: int = 1,
) -> Replay:
    """Runs a network's embedded test vectors on the reference and on executors, as `verify` does.

    The reference must give the codes whose hashes the certificate holds.

    Raises:
        ValueError: if the network has no certificate, or it has no test vectors.
        UnsupportedOpError, ImportError, FileNotFoundError: as `verify`.
    """
    if network.certificate is None:
        raise ValueError(
            "the network has no certificate, as it was saved by an earlier version or elsewhere;"
            " quantize it again, or verify it with samples"
        )
    vectors = network.certificate.vectors
    if vectors is None:
        raise ValueError(
            "the certificate has no test vectors, as there are none where a layer computes in"
            " float: its sums may round differently on another machine"
        )
    inner = code_boundary(network.program).program
    samples = [tuple(vectors.inputs.values())]
    verification = compare(inner, samples, hold(inner, executors), tolerance)
    return Replay(network.certificate, vectors, verification)
