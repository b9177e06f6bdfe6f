"""The members of every open set, for the suites that go over all of them."""

from collections.abc import Callable
from functools import partial

from torch import Tensor

from intact.numerics.formats import BF16, E4M3, FP16, Binary, Int, MidRise, PowerOfTwo, Ternary
from intact.numerics.granularity import PerChannel, PerGroup, PerTensor
from intact.observers import Entropy, MinMax, MovingAverage, Mse, Observer, Percentile
from intact.ptq import (
    AdaRound,
    Awq,
    Brecq,
    DeadChannelRepair,
    EmpiricalBiasCorrection,
    Equalize,
    EstimateBatchNorm,
    Gptq,
    Learning,
    LeastSquares,
    LeastSquaresInGroups,
    Nearest,
    NearestInGroups,
    Preparation,
    Refinement,
    SmoothQuant,
    SQuant,
    WeightMethod,
)
from intact.qat import (
    BinaryWeight,
    BucketedWeight,
    DorefaActivation,
    DorefaGradient,
    DorefaWeight,
    FakeActivation,
    FakeWeight,
    GradientQuantizer,
    InqWeight,
    IntegerPointsWeight,
    LearnedPointsWeight,
    LinearActivation,
    LinearGradient,
    LinearWeight,
    LogGradient,
    LogWeight,
    LsqActivation,
    LsqPlusActivation,
    LsqPlusWeight,
    LsqWeight,
    MinMaxWeight,
    MovingAverageActivation,
    PactActivation,
    SignActivation,
    SlbWeight,
    TernaryWeight,
    TqtActivation,
    TqtWeight,
    TtqWeight,
    XnorWeight,
)

OBSERVERS: tuple[Observer, ...] = (
    MinMax(Int(8)),
    MinMax(Int(16), symmetric=True),
    MovingAverage(Int(8), decay=0.9),
    MovingAverage(Int(8), symmetric=True),
    Percentile(Int(8), q=99.0),
    Percentile(Int(8), symmetric=True),
    Mse(Int(4)),
    Mse(Int(8), symmetric=True),
    Entropy(Int(8)),
    Entropy(Int(4), symmetric=True),
)

WEIGHT_METHODS: tuple[WeightMethod, ...] = (
    Nearest(Int(8, narrow=True)),
    Nearest(Int(8, narrow=True), PerTensor()),
    Nearest(Int(4), PerChannel(), symmetric=False),
    Nearest(Int(2, narrow=True)),
    Nearest(FP16, PerTensor()),
    Nearest(BF16),
    Nearest(E4M3),
    Nearest(Binary()),
    Nearest(MidRise(2)),
    Nearest(Ternary()),
    Nearest(PowerOfTwo(4)),
    NearestInGroups(Int(4, narrow=True), 4),
    LeastSquares(Int(8, narrow=True), PerTensor()),
    LeastSquares(Int(4, narrow=True)),
    LeastSquares(Int(4), symmetric=False),
    LeastSquares(Int(2, narrow=True), PerGroup(1)),
    LeastSquaresInGroups(Int(4, narrow=True), 4),
    SQuant(LeastSquares(Int(4, narrow=True))),
)

# Their float outputs are unchanged, but for the rounding of float32.
PREPARATIONS: tuple[Preparation, ...] = (
    SmoothQuant(),
    DeadChannelRepair(),
    EstimateBatchNorm(samples=8),
    Equalize(),
    Equalize(symmetric=False),
    Awq(NearestInGroups(Int(4, narrow=True), 4), steps=4),
)

REFINEMENTS: tuple[Refinement, ...] = (
    EmpiricalBiasCorrection(),
    EmpiricalBiasCorrection(samples=7, memory=0),
    Gptq(),
    Gptq(by_size=True, samples=7, memory=0),
    AdaRound(learning=Learning(iterations=100), batch=64),
    Brecq(learning=Learning(iterations=100), batch=64),
)

FAKE_WEIGHTS: tuple[Callable[[Tensor], FakeWeight], ...] = (
    partial(MinMaxWeight, format=Int(8, narrow=True)),
    partial(MinMaxWeight, format=Int(4, narrow=True), granularity=PerTensor()),
    partial(MinMaxWeight, format=Int(8), symmetric=False),
    partial(MinMaxWeight, format=Int(4, narrow=True), granularity=PerGroup(2)),
    partial(MinMaxWeight, format=Int(4, narrow=True), stochastic=True),
    partial(LsqWeight, format=Int(4, narrow=True)),
    partial(LsqWeight, format=Int(2, narrow=True), granularity=PerTensor()),
    partial(LsqWeight, format=Int(8)),
    BinaryWeight,
    partial(BinaryWeight, stochastic=True, seed=1),
    LsqPlusWeight,
    partial(LsqPlusWeight, format=Int(2, narrow=True), granularity=PerTensor()),
    partial(LsqPlusWeight, format=Int(3), granularity=PerGroup(2)),
    TqtWeight,
    partial(TqtWeight, format=Int(2, narrow=True)),
    partial(TqtWeight, format=Int(4), granularity=PerChannel()),
    partial(TqtWeight, format=Int(4), granularity=PerGroup(2)),
    XnorWeight,
    partial(XnorWeight, granularity=PerTensor()),
    TernaryWeight,
    partial(TernaryWeight, granularity=PerGroup(2)),
    LinearWeight,
    partial(LinearWeight, format=Int(2), limit=1.0),
    partial(LinearWeight, format=Int(3), granularity=PerChannel()),
    LogWeight,
    partial(LogWeight, format=PowerOfTwo(2), granularity=PerGroup(2)),
    partial(LogWeight, format=PowerOfTwo(5), granularity=PerChannel()),
    SlbWeight,
    partial(SlbWeight, bits=2),
    partial(SlbWeight, bits=4),
    TtqWeight,
    partial(TtqWeight, granularity=PerChannel()),
    DorefaWeight,
    partial(DorefaWeight, bits=2),
    partial(DorefaWeight, bits=7),
    partial(DorefaWeight, bits=8),
    BucketedWeight,
    partial(BucketedWeight, bits=2, bucket=7, through_range=True),
    LearnedPointsWeight,
    partial(LearnedPointsWeight, bits=2, bucket=7),
    IntegerPointsWeight,
    partial(IntegerPointsWeight, bits=2, granularity=PerTensor()),
    InqWeight,
    partial(InqWeight, bits=3, granularity=PerChannel()),
    partial(InqWeight, bits=2, granularity=PerGroup(2)),
)

CALIBRATED: tuple[Callable[[], FakeActivation], ...] = (
    MovingAverageActivation,
    partial(MovingAverageActivation, format=Int(8), symmetric=True, decay=0.9),
    partial(MovingAverageActivation, format=Int(4), delay=0),
    partial(MovingAverageActivation, format=Int(4), stochastic=True),
    LsqActivation,
    partial(LsqActivation, format=Int(8)),
    partial(LsqActivation, format=Int(2)),
    LinearActivation,
    partial(LinearActivation, format=Int(2), limit=1.0),
    PactActivation,
    partial(PactActivation, format=Int(2), alpha=2.0),
    LsqPlusActivation,
    partial(LsqPlusActivation, format=Int(2)),
    TqtActivation,
    partial(TqtActivation, format=Int(3)),
    partial(TqtActivation, format=Int(16)),
)

GRADIENT_QUANTIZERS: tuple[Callable[[], GradientQuantizer], ...] = (
    DorefaGradient,
    partial(DorefaGradient, bits=2, seed=1),
    LinearGradient,
    partial(LinearGradient, bits=2),
    LogGradient,
    partial(LogGradient, bits=3),
)

FAKE_ACTIVATIONS: tuple[Callable[[], FakeActivation], ...] = (
    *CALIBRATED,
    DorefaActivation,
    partial(DorefaActivation, format=Int(1, signed=False)),
    SignActivation,
    partial(SignActivation, stochastic=True),
)
