"""Whose kernels the layers of a C file call."""

from enum import Enum


class Kernels(Enum):
    """Ours, or Arm's CMSIS-NN where it computes the same integers."""

    PORTABLE = "portable"
    CMSIS_NN = "cmsis-nn"
