"""Observers: what range of real numbers an activation's codes shall cover."""

from intact.observers.constants import constant_params
from intact.observers.entropy import Entropy
from intact.observers.fake_quantize import fake_quantize
from intact.observers.memory_order import in_memory_order
from intact.observers.minmax import MinMax
from intact.observers.moving_average import MovingAverage
from intact.observers.mse import Mse
from intact.observers.params import choose_params
from intact.observers.percentile import Percentile
from intact.observers.protocol import Observer, Statistics

__all__ = [
    "Entropy",
    "MinMax",
    "MovingAverage",
    "Mse",
    "Observer",
    "Percentile",
    "Statistics",
    "choose_params",
    "constant_params",
    "fake_quantize",
    "in_memory_order",
]
