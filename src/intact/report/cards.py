"""The numbers at the top of the page."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from intact.diagnosis.wording import counted
from intact.report.contents import Accuracy, Latency, Memory, Report, Size

_TIMES, _MINUS = "\N{MULTIPLICATION SIGN}", "\N{MINUS SIGN}"


@dataclass(frozen=True, slots=True)
class Bar:
    """One of two lengths to compare."""

    name: str
    kind: Literal["before", "after"]
    percent: float
    value: str


@dataclass(frozen=True, slots=True)
class Card:
    """A number, what it was before, and a remark."""

    title: str
    value: str
    unit: str
    bars: tuple[Bar, ...]
    note: str


def cards(report: Report) -> Iterator[Card]:
    """Size, accuracy, latency and memory, as far as they are known."""
    yield _size(report.size)
    if report.accuracy is not None:
        yield _accuracy(report.accuracy)
    elif report.outputs is not None and report.outputs.sqnr_db is not None:
        note = f"of the first output, on {counted(report.outputs.samples, 'sample')}"
        yield Card("Output SQNR", f"{report.outputs.sqnr_db:.1f}", "dB", (), note)
    if report.latency is not None:
        yield _latency(report.latency)
    yield _memory(report.memory)


def _bars(before: float, after: float, words: tuple[str, str]) -> tuple[Bar, ...]:
    most = max(before, after) or 1.0
    return (
        Bar("float", "before", round(100 * before / most, 2), words[0]),
        Bar("integer", "after", round(100 * after / most, 2), words[1]),
    )


def _size(size: Size) -> Card:
    before, after = size.float_bytes, size.stored_bytes
    note = f"{_millions(size.macs)} multiply-accumulates a sample"
    if before is None:
        return Card("Size", *_bytes(after), (), note)
    bars = _bars(before, after, (" ".join(_bytes(before)), " ".join(_bytes(after))))
    return Card("Size", f"{before / after:.1f}{_TIMES}", "smaller", bars, note)


def _accuracy(accuracy: Accuracy) -> Card:
    title = capital(accuracy.metric)
    note = "" if accuracy.samples is None else counted(accuracy.samples, "sample")
    if accuracy.difference is None or accuracy.original is None:
        return Card(title, f"{accuracy.quantized:.2%}", "", (), note)
    if accuracy.difference_interval is not None:
        low, high = (_signed(end) for end in accuracy.difference_interval)
        note += f"; 95 % interval {low} to {high}"
    words = f"{accuracy.original:.2%}", f"{accuracy.quantized:.2%}"
    bars = _bars(accuracy.original, accuracy.quantized, words)
    return Card(title, _signed(accuracy.difference), "points", bars, note)


def _signed(share: float) -> str:
    return f"{100 * share:+.2f}".replace("-", _MINUS)


def _latency(latency: Latency) -> Card:
    note = f"one sample, {counted(latency.threads, 'thread')}, median"
    before, after = latency.float_seconds, latency.quantized_seconds
    if before is None:
        return Card("Latency", f"{1000 * after:.2f}", "ms", (), note)
    bars = _bars(before, after, (f"{1000 * before:.2f} ms", f"{1000 * after:.2f} ms"))
    ratio, word = (before / after, "faster") if before >= after else (after / before, "slower")
    return Card("Latency", f"{ratio:.1f}{_TIMES}", word, bars, f"float in torch; {note}")


def _memory(memory: Memory) -> Card:
    needed = " ".join(_bytes(memory.needed_bytes))
    note = f"one sample; at least {needed}, at {memory.peak}"
    return Card("Memory for activations", *_bytes(memory.arena_bytes), (), note)


def _bytes(count: int) -> tuple[str, str]:
    """In units of 1000, as disks are sold."""
    if count < 1000:
        return str(count), "bytes"
    if count < 1_000_000:
        return f"{count / 1000:.1f}", "kB"
    return f"{count / 1_000_000:.2f}", "MB"


def _millions(count: int) -> str:
    return f"{count / 1e6:,.1f} million" if count >= 1e6 else f"{count:,}"


def capital(words: str) -> str:
    """With a capital letter at the start."""
    return words[:1].upper() + words[1:]
