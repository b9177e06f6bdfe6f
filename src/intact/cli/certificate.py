"""Certificates as JSON."""

from intact.cli.output import Json
from intact.ir.certificate import Certificate


def certificate_document(certificate: Certificate) -> dict[str, Json]:
    """What `--json` prints of it."""
    origin, vectors = certificate.origin, certificate.vectors
    calibration = origin.calibration
    return {
        "recipe": origin.recipe,
        "rules": list(origin.rules),
        "seed": origin.seed,
        "versions": {version.package: version.version for version in origin.versions},
        "calibration_samples": 0 if calibration is None else calibration.samples,
        "calibration_sha256": None if calibration is None else calibration.sha256,
        "ranges": {seen.name: [seen.low, seen.high] for seen in origin.ranges},
        "vectors": 0 if vectors is None else vectors.samples,
        "sha256": None if vectors is None else vectors.sha256,
    }
