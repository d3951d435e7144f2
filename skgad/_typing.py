"""Type aliases of the public API."""

from typing import TypeAlias

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

#: A table: anything with an ``__array__`` method, such as a data frame, or a sparse matrix.
MatrixLike: TypeAlias = ArrayLike | sparse.spmatrix | sparse.sparray

#: What ``random_state`` accepts.
RandomStateLike: TypeAlias = int | RandomState | None

#: Scores and other statistics of rows.
FloatArray: TypeAlias = NDArray[np.float64]

#: Rows and codes that networks compute.
Float32Array: TypeAlias = NDArray[np.float32]

#: Decisions: -1 for outliers and 1 for inliers.
IntArray: TypeAlias = NDArray[np.int_]
