"""Calls of Arm's CMSIS-NN, for the layers of which it computes the same integers.

Source: ARM-software/CMSIS-NN from version 7 on, `Include/arm_nnfunctions.h` and what its functions
do on processors without SIMD, with the DSP extension and with MVE. It multiplies with gemmlowp's
double rounding (arithmetic.md, eq. 13) unless it is compiled with CMSIS_NN_USE_SINGLE_ROUNDING.
"""

from intact.emit.c.cmsis_nn.functions import HEAD, Choice, call, choose, scratch_sizes
from intact.emit.c.cmsis_nn.scratch import Scratch

__all__ = ["HEAD", "Choice", "Scratch", "call", "choose", "scratch_sizes"]
