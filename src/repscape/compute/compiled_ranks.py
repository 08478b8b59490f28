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


@njit(nogil=True, cache=True)
def rank_in_place(order: Integers, values: Floats) -> None:
    """Replace every value by its average rank, from 1; `order` sorts them ascending."""
    count = len(values)
    first = 0
    while first < count:
        tied = values[order[first]]
        last = first
        while last + 1 < count and values[order[last + 1]] == tied:
            last += 1
        rank = (first + last) / 2.0 + 1.0
        for place in range(first, last + 1):
            values[order[place]] = rank
        first = last + 1


@njit(nogil=True, cache=True)
def collect_between(
    products: Floats,
    step: int,
    norms_i: Floats,
    norms_j: Floats,
    above: bool,
    low: float,
    high: float,
    out: Floats,
) -> tuple[int, int]:
    """Write the squared distances from `low` to `high` to `out`; also count those below.

    The distance of row r and column c is norms_i[r] + norms_j[c] − 2 products[r, c], at least 0;
    with `above`, only columns after the row's own position count. The products are `flat_rows`.
    Returns the counts of those below and of those written, or (0, −1) if `out` is too small.
    """
    below = np.int64(0)
    held = np.int64(0)
    width = len(norms_j)
    values = np.empty(width)
    inside = np.empty(width, np.int64)
    for r in range(len(norms_i)):
        if held + width > len(out):
            return 0, -1
        first = r + 1 if above else 0
        row, others = products[r * step + first : r * step + width], norms_j[first:]
        norm = norms_i[r]
        # Loops from 0 that do one thing each become vector instructions.
        for c in range(len(row)):
            value = norm + others[c] - 2.0 * row[c]
            values[c] = value if value > 0.0 else 0.0
        under = np.int64(0)
        for c in range(len(row)):
            under += np.int64(values[c] < low)
        below += under
        for c in range(len(row)):
            inside[c] = np.int64(values[c] >= low) & np.int64(values[c] <= high)
        for c in range(len(row)):
            # Every value is written; the next one overwrites those that lie outside.
            out[held] = values[c]
            held += inside[c]
    return int(below), int(held)
