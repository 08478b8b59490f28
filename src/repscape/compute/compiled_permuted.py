"""Compiled loops over permutations; see `repscape.compute.permuted`.

Compiled by numba on first use and cached on disk; callers import this module lazily.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numba import njit

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Integers = npt.NDArray[np.integer[Any]]


@njit(nogil=True, cache=True, fastmath={"reassoc"})
def sum_permuted_products(
    start: int, stop: int, a: Floats, b: Floats, orders: Integers, out: Floats
) -> None:
    """Write 2 Σ_{j<i} a_ij b_π(i)π(j) for the orders start … stop.

    One row of b at a time stays in the cache while it is read out of order.
    """
    n = a.shape[0]
    for r in range(start, stop):
        total = 0.0
        for i in range(n):
            moved = b[orders[r, i]]
            row = 0.0
            for j in range(i):
                row += a[i, j] * moved[orders[r, j]]
            total += row
        out[r] = 2.0 * total


@njit(nogil=True, cache=True)
def count_permuted_overlaps(
    start: int, stop: int, near: Integers, sets: Integers, orders: Integers, out: Integers
) -> None:
    """Count the pairs (i, j) with j in near[i] and π(j) in sets[π(i)], rows of sets ascending."""
    n, k = near.shape
    for r in range(start, stop):
        common = 0
        for i in range(n):
            own = sets[orders[r, i]]
            for p in range(k):
                wanted = orders[r, near[i, p]]
                low, high = 0, k
                while low < high:
                    middle = (low + high) // 2
                    if own[middle] < wanted:
                        low = middle + 1
                    else:
                        high = middle
                common += low < k and own[low] == wanted
        out[r] = common


@njit(nogil=True, cache=True)
def gather_lower(
    start: int, stop: int, b: Floats, orders: Integers, first: int, last: int, out: Floats
) -> None:
    """Write b_π(i)π(j), j < i, for i = first … last - 1, row by row, for orders start … stop."""
    for r in range(start, stop):
        place = 0
        for i in range(first, last):
            moved = b[orders[r, i]]
            for j in range(i):
                out[r, place + j] = moved[orders[r, j]]
            place += i


@njit(nogil=True, cache=True)
def count_shared_neighbours(
    start: int, stop: int, near: Integers, table: Integers, orders: Integers, out: Integers
) -> None:
    """Count, for every list of neighbours and every bit, the renamed neighbours that have it.

    Bit m of table[i, j] says that j is among the neighbours of i in representation m.
    """
    count, n, k = near.shape
    for r in range(start, stop):
        for a in range(count):
            for i in range(n):
                own = table[orders[r, i]]
                for p in range(k):
                    word = own[orders[r, near[a, i, p]]]
                    bit = 0
                    while word != 0:
                        if word & 1:
                            out[r, a, bit] += 1
                        word >>= 1
                        bit += 1
