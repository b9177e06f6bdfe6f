"""Small, fast, integer neural networks: the integers you evaluated are the integers that run.

Names are imported when they are first used: a saved network loads and runs without torch or onnx.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from intact.api.compare import compare
    from intact.api.distilled import distilled_samples
    from intact.api.doctor import cure, diagnose
    from intact.api.engine import Engine, compile  # noqa: A004
    from intact.api.export import export
    from intact.api.model import to_graph
    from intact.api.network import QuantizedNetwork, load
    from intact.api.quantize import quantize
    from intact.api.replay import verify_certificate
    from intact.api.scoring import ScoredSamples
    from intact.api.train import convert, prepare
    from intact.api.verify import verify
    from intact.errors import (
        CalibrationError,
        FormatError,
        IntactError,
        UnsupportedOpError,
        VerifyError,
    )
    from intact.model import Dynamic, QuantizedModel
    from intact.numerics.formats import BF16, FP16, Binary, Int, MidRise, PowerOfTwo, Ternary
    from intact.numerics.granularity import PerChannel, PerGroup, PerTensor
    from intact.observers import Entropy, MinMax, MovingAverage, Mse, Percentile
    from intact.ptq import BiasCorrected, Nearest, NearestInGroups, PtqRule, Recipe
    from intact.report.write import write_report

_HOME = {
    "BF16": "intact.numerics.formats",
    "BiasCorrected": "intact.ptq",
    "Binary": "intact.numerics.formats",
    "CalibrationError": "intact.errors",
    "Dynamic": "intact.model",
    "Engine": "intact.api.engine",
    "Entropy": "intact.observers",
    "FP16": "intact.numerics.formats",
    "FormatError": "intact.errors",
    "Int": "intact.numerics.formats",
    "IntactError": "intact.errors",
    "MidRise": "intact.numerics.formats",
    "MinMax": "intact.observers",
    "MovingAverage": "intact.observers",
    "Mse": "intact.observers",
    "Nearest": "intact.ptq",
    "NearestInGroups": "intact.ptq",
    "PerChannel": "intact.numerics.granularity",
    "PerGroup": "intact.numerics.granularity",
    "PerTensor": "intact.numerics.granularity",
    "Percentile": "intact.observers",
    "PowerOfTwo": "intact.numerics.formats",
    "PtqRule": "intact.ptq",
    "QuantizedModel": "intact.model",
    "QuantizedNetwork": "intact.api.network",
    "Recipe": "intact.ptq",
    "ScoredSamples": "intact.api.scoring",
    "Ternary": "intact.numerics.formats",
    "UnsupportedOpError": "intact.errors",
    "VerifyError": "intact.errors",
    "compare": "intact.api.compare",
    "compile": "intact.api.engine",
    "convert": "intact.api.train",
    "cure": "intact.api.doctor",
    "diagnose": "intact.api.doctor",
    "distilled_samples": "intact.api.distilled",
    "export": "intact.api.export",
    "load": "intact.api.network",
    "prepare": "intact.api.train",
    "quantize": "intact.api.quantize",
    "to_graph": "intact.api.model",
    "verify": "intact.api.verify",
    "verify_certificate": "intact.api.replay",
    "write_report": "intact.report.write",
}

__all__ = [
    "BF16",
    "FP16",
    "BiasCorrected",
    "Binary",
    "CalibrationError",
    "Dynamic",
    "Engine",
    "Entropy",
    "FormatError",
    "Int",
    "IntactError",
    "MidRise",
    "MinMax",
    "MovingAverage",
    "Mse",
    "Nearest",
    "NearestInGroups",
    "PerChannel",
    "PerGroup",
    "PerTensor",
    "Percentile",
    "PowerOfTwo",
    "PtqRule",
    "QuantizedModel",
    "QuantizedNetwork",
    "Recipe",
    "ScoredSamples",
    "Ternary",
    "UnsupportedOpError",
    "VerifyError",
    "compare",
    "compile",
    "convert",
    "cure",
    "diagnose",
    "distilled_samples",
    "export",
    "load",
    "prepare",
    "quantize",
    "to_graph",
    "verify",
    "verify_certificate",
    "write_report",
]


def __getattr__(name: str) -> object:
    """Imports a public name when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module 'intact' has no attribute {name!r}")
    found: object = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """The public names, imported or not."""
    return sorted({*globals(), *_HOME})
