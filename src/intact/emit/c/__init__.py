"""C99 sources of a Program: for microcontrollers, without allocation and without real numbers."""

from intact.emit.c.library import Kernels
from intact.emit.c.model import Model, translate
from intact.emit.c.names import DEFAULT_NAME, check_name
from intact.emit.c.report import LayerCost, Report, TensorPlace, report
from intact.emit.c.storage import plan_storage
from intact.emit.c.vectors import Vector
from intact.emit.c.write import render, write

__all__ = [
    "DEFAULT_NAME",
    "Kernels",
    "LayerCost",
    "Model",
    "Report",
    "TensorPlace",
    "Vector",
    "check_name",
    "plan_storage",
    "render",
    "report",
    "translate",
    "write",
]
