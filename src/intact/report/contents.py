"""What a report says, as plain data: the page shows it and `document` writes it as JSON.

Names of fields are keys of the JSON (doc/report.md); None is what is not known. Shares are between
0 and 1, sizes bytes, times seconds, SQNRs decibels.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

State: TypeAlias = Literal["kept", "reduced", "lost", "unmeasured"]
Kind: TypeAlias = Literal["activation", "weight"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the accuracy was kept, in a sentence, and what else a reader wants to know first."""

    state: State
    headline: str
    details: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes a device stores and needs, and multiply-accumulates, for one sample."""

    stored_bytes: int
    float_bytes: int | None
    arena_bytes: int
    macs: int


@dataclass(frozen=True, slots=True)
class Accuracy:
    """A metric, higher is better, before and after; intervals are of 95 % confidence."""

    metric: str
    samples: int | None
    original: float | None
    quantized: float
    quantized_interval: tuple[float, float] | None
    difference: float | None  # quantized minus original, on the same samples
    difference_interval: tuple[float, float] | None
    max_drop: float | None  # the budget, if one was asked for


@dataclass(frozen=True, slots=True)
class Outputs:
    """The quantized network's first output against the float network's."""

    samples: int
    sqnr_db: float | None  # None: equal
    agreement: float | None  # share of samples with the same class


@dataclass(frozen=True, slots=True)
class Latency:
    """Medians of one call."""

    threads: int
    batch: int
    quantized_seconds: float
    float_seconds: float | None


@dataclass(frozen=True, slots=True)
class Layer:
    """An operation of the Program, in execution order."""

    name: str
    title: str  # with the module that an activation is fused into
    op: str
    shape: str
    format: str
    bits: int
    weight_format: str | None
    weight_bits: int | None
    weight_bytes: int
    macs: int
    stays_float: str | None  # why
    sqnr_before_db: float | None  # the worst of its inputs
    sqnr_db: float | None  # of its output: all noise up to here
    own_sqnr_db: float | None  # with the noise of this layer alone
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Finding:
    """A layer at fault, why, and what cures it; those that cost most come first.

    The SQNRs of the outputs are with this layer's noise alone.
    """

    layer: str
    title: str
    op: str
    cause: str  # its name
    cause_title: str
    evidence: str
    share: float  # of the noise that all layers cause in the outputs
    own_sqnr_db: float
    output_sqnr_db: float
    cure: str | None  # its name
    cure_words: str | None
    cured_sqnr_db: float | None  # of the outputs, after the cure


@dataclass(frozen=True, slots=True)
class Grid:
    """The real numbers that codes stand for; of several scales the widest range, finest step."""

    low: float
    high: float
    step: float
    levels: int
    scales: int
    zero_point: int | None  # None: symmetric, or one for each channel


@dataclass(frozen=True, slots=True)
class Histogram:
    """Shares of a tensor's float values in bins of equal width from `low` on."""

    low: float
    width: float
    shares: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Channel:
    """Five numbers of an output channel's weights, and the range of its grid."""

    index: int
    minimum: float
    lower_quartile: float
    median: float
    upper_quartile: float
    maximum: float
    grid_low: float
    grid_high: float


@dataclass(frozen=True, slots=True)
class Tensor:
    """A weight or an activation: its float values against the grid of its codes."""

    name: str
    kind: Kind
    shape: str
    format: str
    grid: Grid
    seen: tuple[float, float] | None  # smallest and largest float value
    clipped: float | None  # share of float values outside of the grid
    sqnr_db: float | None  # of a weight, codes against float
    histogram: Histogram | None
    channel_count: int
    channels: tuple[Channel, ...]  # of many, evenly many from the widest to the narrowest


@dataclass(frozen=True, slots=True)
class Place:
    """A value in the arena: bytes offset .. offset + bytes, during steps first .. last."""

    name: str
    offset: int
    bytes: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Memory:
    """The arena over time; step -1 is before the first operation."""

    arena_bytes: int
    needed_bytes: int  # the most that must exist at the same time
    peak: str  # the operation during which it does
    steps: tuple[str, ...]
    live_bytes: tuple[int, ...]  # of each step
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A network of the trade-off curve, or a recipe that was tried."""

    name: str
    stored_bytes: int | None
    metric: float | None
    sqnr_db: float | None
    shown: bool  # the network that this report is about


@dataclass(frozen=True, slots=True)
class Origin:
    """What made the network, from its certificate."""

    recipe: str
    rules: tuple[str, ...]
    versions: tuple[str, ...]
    calibration_samples: int
    calibration_sha256: str | None
    vectors_sha256: str | None


@dataclass(frozen=True, slots=True)
class Missing:
    """A part that could not be made, and what adds it."""

    what: str
    how: str


@dataclass(frozen=True, slots=True)
class Report:
    """Everything."""

    name: str
    recipe: str | None
    verdict: Verdict
    size: Size
    accuracy: Accuracy | None
    outputs: Outputs | None
    latency: Latency | None
    findings: tuple[Finding, ...] | None  # None: not looked for
    layers: tuple[Layer, ...]
    tensors: tuple[Tensor, ...]
    memory: Memory
    candidates: tuple[Candidate, ...]
    origin: Origin | None
    missing: tuple[Missing, ...]
