"""The loops that tensors alone cannot do fast: keeping the nearest, and summing exactly.

Compiled by numba on first use and cached on disk; importing this module imports numba, so the
callers do it lazily. Every function releases the interpreter lock and handles one range of the
work, so that the caller decides about threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

from repscape.compute.exact import LANES

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.floating[Any]]
    Integers = npt.NDArray[np.integer[Any]]

GROUP = 64
"""How many keys are compared with their bounds before one of them is looked at."""


@njit(nogil=True, cache=True)
def _keep_smallest(keys: Floats, ids: Integers, count: int, keep: int) -> None:
    """Move the `keep` smallest of the first `count` keys, with their ids, to the front."""
    low, high = 0, count - 1
    while low < high:
        pivot = keys[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while keys[i] < pivot:
                i += 1
            while keys[j] > pivot:
                j -= 1
            if i <= j:
                keys[i], keys[j] = keys[j], keys[i]
                ids[i], ids[j] = ids[j], ids[i]
                i += 1
                j -= 1
        if keep - 1 <= j:
            high = j
        elif keep - 1 >= i:
            low = i
        else:
            return


@njit(nogil=True, cache=True)
def _shrink(
    row: int, keys: Floats, ids: Integers, counts: Integers, bounds: Floats, keep: int
) -> None:
    """Cut a list to its `keep` smallest keys; from then on only smaller keys may enter."""
    _keep_smallest(keys[row], ids[row], counts[row], keep)
    counts[row] = keep
    bounds[row] = keys[row, :keep].max()


@njit(nogil=True, cache=True)
def _append(
    row: int,
    key: float,
    candidate: int,
    keys: Floats,
    ids: Integers,
    counts: Integers,
    bounds: Floats,
    keep: int,
) -> None:
    if counts[row] == keys.shape[1]:
        _shrink(row, keys, ids, counts, bounds, keep)
        if key >= bounds[row]:
            return
    keys[row, counts[row]] = key
    ids[row, counts[row]] = candidate
    counts[row] += 1


@njit(nogil=True, cache=True)
def offer_to_rows(
    start: int,
    stop: int,
    products: Floats,
    offsets: Floats,
    first_row: int,
    first_column: int,
    keys: Floats,
    ids: Integers,
    counts: Integers,
    bounds: Floats,
    keep: int,
) -> None:
    """Offer the columns of a tile of products to the lists of its rows start … stop.

    The key of column j is offsets[j] − 2 products[·, j]. Row r of the tile has list r and the
    position first_row + r, column j the position first_column + j; equal positions are the
    sample itself and are left out.
    """
    for r in range(start, stop):
        for left in range(0, len(offsets), GROUP):
            right = min(left + GROUP, len(offsets))
            part, shifts = products[r, left:right], offsets[left:right]
            bound = bounds[r]
            # A loop without branches, which the compiler turns into vector instructions.
            hits = np.int32(0)
            for j in range(len(part)):
                hits += np.int32(shifts[j] - np.float32(2) * part[j] < bound)
            if hits == 0:
                continue
            for j in range(len(part)):
                key = shifts[j] - np.float32(2) * part[j]
                position = first_column + left + j
                if key < bounds[r] and position != first_row + r:
                    _append(r, key, position, keys, ids, counts, bounds, keep)


@njit(nogil=True, cache=True)
def offer_to_columns(
    start: int,
    stop: int,
    products: Floats,
    offsets: Floats,
    first_row: int,
    keys: Floats,
    ids: Integers,
    counts: Integers,
    bounds: Floats,
    keep: int,
) -> None:
    """Offer the rows of a tile to the lists of its columns start … stop: the mirrored tile.

    The key of row r is offsets[r] − 2 products[r, ·]; column j has list j. The tile holds no
    sample against itself.
    """
    for r in range(len(offsets)):
        offset = offsets[r]
        for left in range(start, stop, GROUP):
            right = min(left + GROUP, stop)
            part, limits = products[r, left:right], bounds[left:right]
            hits = np.int32(0)
            for j in range(len(part)):
                hits += np.int32(offset - np.float32(2) * part[j] < limits[j])
            if hits == 0:
                continue
            for j in range(len(part)):
                key = offset - np.float32(2) * part[j]
                if key < limits[j]:
                    _append(left + j, key, first_row + r, keys, ids, counts, bounds, keep)


@njit(nogil=True, cache=True)
def finish_lists(
    start: int,
    stop: int,
    keys: Floats,
    ids: Integers,
    counts: Integers,
    bounds: Floats,
    keep: int,
) -> None:
    """Cut the lists start … stop to their `keep` smallest keys."""
    for row in range(start, stop):
        if counts[row] > keep:
            _shrink(row, keys, ids, counts, bounds, keep)


@njit(nogil=True, cache=True)
def _pair_sum(row: Floats, other: Floats, differences: bool, lanes: Floats) -> float:
    """Σ (row − other)² or Σ row · other, summed in the order of `exact`; `lanes` is scratch."""
    d = len(row)
    whole = d - d % LANES
    lanes[:] = 0.0
    if differences:
        for first in range(0, whole, LANES):
            for lane in range(LANES):
                gap = row[first + lane] - np.float64(other[first + lane])
                lanes[lane] += gap * gap
        for lane in range(d - whole):
            gap = row[whole + lane] - np.float64(other[whole + lane])
            lanes[lane] += gap * gap
    else:
        for first in range(0, whole, LANES):
            for lane in range(LANES):
                lanes[lane] += row[first + lane] * np.float64(other[first + lane])
        for lane in range(d - whole):
            lanes[lane] += row[whole + lane] * np.float64(other[whole + lane])
    half = LANES // 2
    while half > 0:
        for lane in range(half):
            lanes[lane] += lanes[lane + half]
        half //= 2
    total: float = lanes[0]
    return total


@njit(nogil=True, cache=True)
def pair_sums(
    start: int,
    stop: int,
    x: Floats,
    left: Integers,
    right: Integers,
    differences: bool,
    out: Floats,
) -> None:
    """Write Σ (xᵢ − xⱼ)² or Σ xᵢ xⱼ of the pairs start … stop, summed in the order of `exact`."""
    row = np.zeros(x.shape[1])
    lanes = np.zeros(LANES)
    filled = -1
    for p in range(start, stop):
        if left[p] != filled:
            filled = left[p]
            for c in range(x.shape[1]):
                row[c] = x[filled, c]
        out[p] = _pair_sum(row, x[right[p]], differences, lanes)


@njit(nogil=True, cache=True)
def count_common(a: Integers, b: Integers, out: Integers) -> None:
    """Count what each row of a shares with the same row of b; rows are sorted without repeats."""
    for row in range(a.shape[0]):
        i, j = np.int64(0), np.int64(0)
        common = np.int64(0)
        while i < a.shape[1] and j < b.shape[1]:
            # Without branches, which nothing could predict.
            first, second = a[row, i], b[row, j]
            common += np.int64(first == second)
            i += np.int64(first <= second)
            j += np.int64(second <= first)
        out[row] = common
