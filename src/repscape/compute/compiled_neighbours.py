"""The compiled loop over the neighbours of samples: sums of products of their scores.

Compiled by numba on first use and cached on disk; importing this module imports numba, so the
callers do it lazily. It releases the interpreter lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.floating[Any]]
    Integers = npt.NDArray[np.integer[Any]]


@njit(nogil=True, cache=True)
def pair_products(indices: Integers, distances: Floats, scores: Floats, k: int) -> float:
    """Σ s_i s_j over the pairs of which one is among the k nearest of the other, each once."""
    total = 0.0
    for i in range(indices.shape[0]):
        if scores[i] == 0.0:
            continue
        own = 0.0
        for column in range(k):
            j = indices[i, column]
            # A pair that is listed from both sides is met twice, so each counts half.
            mutual = distances[i, column] <= distances[j, k - 1]
            own += scores[j] * (0.5 if mutual else 1.0)
        total += own * scores[i]
    return total
