"""Names for the NumPy arrays that the numeric core passes around."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
F32: TypeAlias = NDArray[np.float32]
F64: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.integer[Any]]
Codes: TypeAlias = NDArray[Any]  # stored integers, or the ml_dtypes floats of a Float format
