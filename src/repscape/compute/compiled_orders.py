"""Compiled loops over orders and lists: what tensors alone cannot do.

Compiled by numba on first use and cached on disk; importing this module imports numba, so the
callers do it lazily. Every function releases the interpreter lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

if TYPE_CHECKING:
    import numpy.typing as npt

    Integers = npt.NDArray[np.integer[Any]]


@njit(nogil=True, cache=True)
def count_discordant(first: Integers, second: Integers) -> tuple[int, int]:
    """How many pairs of entries are in opposite order, and how many are tied on both sides.

    `first` ascends; `second` is overwritten.
    """
    tied = 0
    count = len(first)
    start = 0
    for stop in range(1, count + 1):
        if stop < count and first[stop] == first[start]:
            continue
        if stop - start > 1:
            # Sorted within the tie, its entries are no inversions.
            second[start:stop].sort()
            tied += _tied_pairs(second[start:stop])
        start = stop
    return _inversions(second), tied


@njit(nogil=True, cache=True)
def _tied_pairs(ordered: Integers) -> int:
    pairs = 0
    run = 0
    for position in range(1, len(ordered)):
        run = run + 1 if ordered[position] == ordered[position - 1] else 0
        pairs += run
    return pairs


@njit(nogil=True, cache=True)
def _inversions(values: Integers) -> int:
    """Count i < j with values[i] > values[j], by a bottom-up merge sort."""
    count = len(values)
    source, target = values, np.empty_like(values)
    inversions = 0
    width = 1
    while width < count:
        for low in range(0, count, 2 * width):
            middle, high = min(low + width, count), min(low + 2 * width, count)
            i, j = low, middle
            for k in range(low, high):
                if i < middle and (j >= high or source[i] <= source[j]):
                    target[k] = source[i]
                    i += 1
                else:
                    target[k] = source[j]
                    inversions += middle - i
                    j += 1
        source, target = target, source
        width *= 2
    return inversions
