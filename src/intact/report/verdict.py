"""The verdict: was the accuracy kept, and what was gained."""

from collections.abc import Iterator, Mapping

from intact.api.network import within
from intact.report.contents import Accuracy, Latency, Outputs, Size, State, Verdict

_KEPT = 0.01  # a smaller drop of a share is called kept where nothing else was asked for
_REDUCED = 0.05


def verdict(
    size: Size,
    accuracy: Accuracy | None,
    outputs: Outputs | None,
    latency: Latency | None,
    stays_float: Mapping[str, str],
    at_fault: int,
) -> Verdict:
    """A drop within the budget, or the interval of which holds 0, is none.

    Without a budget one of at most 1 point is kept, of at most 5 is reduced.
    """
    state, headline = _judged(accuracy, outputs)
    return Verdict(state, headline, tuple(_details(size, outputs, latency, stays_float, at_fault)))


def _judged(accuracy: Accuracy | None, outputs: Outputs | None) -> tuple[State, str]:
    if accuracy is None or accuracy.difference is None:
        return "unmeasured", _unmeasured(accuracy, outputs)
    drop = -accuracy.difference
    words = f"{accuracy.metric} {'falls' if drop > 0 else 'rises'} by {_points(abs(drop))}"
    if accuracy.difference == 0:
        words = f"{accuracy.metric} is unchanged"
    if accuracy.max_drop is not None:
        met = within(drop, accuracy.max_drop)
        budget = f"{'within' if met else 'more than'} the budget of {_points(accuracy.max_drop)}"
        return ("kept" if met else "lost"), f"{words}, {budget}"
    interval = accuracy.difference_interval
    if interval is not None and interval[0] <= 0 <= interval[1] and drop <= _REDUCED:
        words += f", no significant change on {accuracy.samples:,} samples" if drop else ""
        return "kept", words
    return ("kept" if drop <= _KEPT else "reduced" if drop <= _REDUCED else "lost"), words


def _unmeasured(accuracy: Accuracy | None, outputs: Outputs | None) -> str:
    if accuracy is not None:
        return (
            f"{accuracy.metric} is {accuracy.quantized:.1%}; of the float network it is not known"
        )
    if outputs is None:
        return "Accuracy has not been measured"
    if outputs.sqnr_db is None:
        return "Outputs equal the float network's; accuracy has not been measured"
    return f"Outputs are {outputs.sqnr_db:.1f} dB above their noise; accuracy has not been measured"


def _counted(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"


def _points(share: float) -> str:
    return f"{100 * share:.2f} points"


def _details(
    size: Size,
    outputs: Outputs | None,
    latency: Latency | None,
    stays_float: Mapping[str, str],
    at_fault: int,
) -> Iterator[str]:
    if size.float_bytes:
        yield f"{size.float_bytes / size.stored_bytes:.1f} times smaller than the float network"
    if latency is not None and latency.float_seconds is not None:
        ratio = latency.float_seconds / latency.quantized_seconds
        words = "faster" if ratio >= 1 else "slower"
        yield f"{max(ratio, 1 / ratio):.1f} times {words} than float in torch"
    if outputs is not None and outputs.agreement is not None:
        yield f"chooses the float network's class for {outputs.agreement:.1%} of the samples"
    if stays_float:
        yield f"{_counted(len(stays_float), 'operation computes', 'operations compute')} in float"
    else:
        yield "every operation computes in integers"
    if at_fault:
        yield f"{_counted(at_fault, 'layer is', 'layers are')} at fault: see the findings"
