"""How accurate the networks are, from what was measured."""

import math
from collections.abc import Iterator, Mapping, Sequence

from intact.api.network import QuantizedNetwork, Validation
from intact.report.contents import Accuracy, Candidate, Outputs
from intact.report.running import Judged


def accuracy(validation: Validation | None, judged: Judged) -> Accuracy | None:
    """What `validate` said, or else top-1 on the samples."""
    if validation is not None:
        return _validated(validation)
    own, original, comparison = judged.own, judged.original, judged.comparison
    if own is None:
        return None
    if original is None or comparison is None:
        return Accuracy("top-1", own.samples, None, own.share, own.interval, None, None, None)
    return Accuracy(
        "top-1",
        own.samples,
        original.share,
        own.share,
        own.interval,
        comparison.difference,
        comparison.difference_interval,
        None,
    )


def _validated(validation: Validation) -> Accuracy:
    before, after = validation.float_metric, validation.quantized_metric
    drop = validation.interval
    return Accuracy(
        "validation",
        validation.attempts[validation.kept].samples if validation.attempts else None,
        before,
        after,
        None,
        after - before,
        None if drop is None else (-drop[1], -drop[0]),
        validation.max_drop,
    )


def outputs(judged: Judged) -> Outputs | None:
    """How close the first output is to the float network's."""
    comparison = judged.comparison
    if comparison is None:
        return None
    return Outputs(
        judged.samples,
        comparison.sqnr_db if math.isfinite(comparison.sqnr_db) else None,
        comparison.agreement if judged.classifies else None,
    )


def candidates(
    networks: Mapping[str, QuantizedNetwork], judged: Sequence[Judged]
) -> Iterator[Candidate]:
    """The first network, which the report is about, the others, and what was tried before it."""
    for number, ((name, network), found) in enumerate(zip(networks.items(), judged, strict=True)):
        measured, close = accuracy(network.validation, found), outputs(found)
        yield Candidate(
            name,
            network.bytes,
            None if measured is None else measured.quantized,
            None if close is None else close.sqnr_db,
            shown=number == 0,
        )
    validation = next(iter(networks.values())).validation
    for number, attempt in enumerate(() if validation is None else validation.attempts):
        if validation is not None and number != validation.kept:
            yield Candidate(
                attempt.recipe, attempt.bytes or None, attempt.metric, None, shown=False
            )
