"""The compiled loop behind neighbour ranks: counting the entries of a row below thresholds.

Compiled by numba on first use and cached on disk; importing this module imports numba, so the
callers do it lazily. It releases the interpreter lock and handles one range of the rows.
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
def count_up_to(
    start: int, stop: int, tile: Floats, low: Floats, high: Floats, below: Integers, near: Integers
) -> None:
    """Add, for rows start … stop of a tile, how many entries are < low and how many are ≤ high.

    `low`, `high`, `below` and `near` are (rows, thresholds).
    """
    for row in range(start, stop):
        for t in range(low.shape[1]):
            first, last = low[row, t], high[row, t]
            under = np.int64(0)
            within = np.int64(0)
            for column in range(tile.shape[1]):
                under += np.int64(tile[row, column] < first)
                within += np.int64(tile[row, column] <= last)
            below[row, t] += under
            near[row, t] += within
