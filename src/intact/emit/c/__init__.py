"""C99 sources of a Program: for microcontrollers, without allocation and without real numbers."""

from intact.emit.c.vectors import Vector
from intact.emit.c.write import sources, write

__all__ = ["Vector", "sources", "write"]
