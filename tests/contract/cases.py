"""The members of every open set, for the suites that go over all of them."""

from intact.numerics.formats import Int
from intact.observers import Entropy, MinMax, MovingAverage, Mse, Observer, Percentile

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
