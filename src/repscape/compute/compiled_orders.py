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

    Floats = npt.NDArray[np.floating[Any]]
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


@njit(nogil=True, cache=True)
def rank_agreement(a: Integers, b: Integers) -> npt.NDArray[np.float64]:
    """For every row Σ 2 / ((1 + |r - r'|)(r + r')) over shared entries, / H of their number.

    r and r' are the places of an entry in both lists, from 1; 0 where nothing is shared.
    """
    n, k = a.shape
    scores = np.zeros(n)
    for row in range(n):
        shared = 0
        total, harmonic = 0.0, 0.0
        for i in range(k):
            for j in range(k):
                if a[row, i] == b[row, j]:
                    shared += 1
                    harmonic += 1.0 / shared
                    total += 2.0 / ((1 + abs(i - j)) * (i + j + 2))
        if shared:
            scores[row] = total / harmonic
    return scores


@njit(nogil=True, cache=True)
def common_subsequences(a: Integers, b: Integers) -> Integers:
    """The length of the longest common subsequence of every row of a and b."""
    n, k = a.shape
    lengths = np.zeros(n, dtype=np.int64)
    best = np.zeros(k + 1, dtype=np.int64)
    for row in range(n):
        best[:] = 0
        for i in range(k):
            diagonal = 0
            for j in range(k):
                above = best[j + 1]
                if a[row, i] == b[row, j]:
                    best[j + 1] = diagonal + 1
                else:
                    best[j + 1] = max(above, best[j])
                diagonal = above
        lengths[row] = best[k]
    return lengths


@njit(nogil=True, cache=True)
def edit_distances(a: Integers, b: Integers) -> Integers:
    """The Levenshtein distance between every row of a and of b."""
    n, k = a.shape
    distances = np.zeros(n, dtype=np.int64)
    cost = np.zeros(k + 1, dtype=np.int64)
    for row in range(n):
        for j in range(k + 1):
            cost[j] = j
        for i in range(k):
            diagonal = cost[0]
            cost[0] = i + 1
            for j in range(k):
                above = cost[j + 1]
                change = diagonal + (a[row, i] != b[row, j])
                cost[j + 1] = min(change, above + 1, cost[j] + 1)
                diagonal = above
        distances[row] = cost[k]
    return distances


@njit(nogil=True, cache=True)
def returns(there: Integers, back: Integers) -> int:
    """How many i are among back[j] for any j in there[i]."""
    n, k = there.shape
    found = 0
    for i in range(n):
        home = False
        for position in range(k):
            j = there[i, position]
            for other in range(k):
                home = home or back[j, other] == i
        found += home
    return found


@njit(nogil=True, cache=True)
def distinct_pairs(
    first: int,
    n: int,
    own: Integers,
    named: Integers,
    place: Integers,
    left: Integers,
    right: Integers,
) -> int:
    """List what `named` (L × b × k) names for the samples first, first + 1, …, each pair once.

    `place` says where the distance of every entry stands behind those to `own` (b × k'), row by
    row; `left` and `right` are the pairs that `own` does not hold. Returns how many.
    """
    listed_by = np.zeros(n, dtype=np.int64)
    place_of = np.empty(n, dtype=np.int64)
    kept = own.size
    count = 0
    for row in range(own.shape[0]):
        stamp = row + 1
        for column in range(own.shape[1]):
            other = own[row, column]
            listed_by[other] = stamp
            place_of[other] = row * own.shape[1] + column
        for number in range(named.shape[0]):
            for column in range(named.shape[2]):
                other = named[number, row, column]
                if listed_by[other] != stamp:
                    listed_by[other] = stamp
                    place_of[other] = kept + count
                    left[count] = first + row
                    right[count] = other
                    count += 1
                place[number, row, column] = place_of[other]
    return count


@njit(nogil=True, cache=True)
def by_right_sample(n: int, rows: int, left: Integers, right: Integers, order: Integers) -> None:
    """Order pairs, `left` ascending, by their right sample within every `rows` left samples."""
    ends = np.empty(n + 1, dtype=np.int64)
    start = 0
    while start < len(left):
        stop = start
        while stop < len(left) and left[stop] < left[start] + rows:
            stop += 1
        ends[:] = 0
        for pair in range(start, stop):
            ends[right[pair] + 1] += 1
        ends[0] = start
        for sample in range(n):
            ends[sample + 1] += ends[sample]
        for pair in range(start, stop):
            order[ends[right[pair]]] = pair
            ends[right[pair]] += 1
        start = stop


@njit(nogil=True, cache=True)
def add_cosines(
    near_a: Integers,
    near_b: Integers,
    a_to_a: Floats,
    a_to_b: Floats,
    b_to_a: Floats,
    b_to_b: Floats,
    total: float,
) -> tuple[float, int]:
    """Add the cosines of the distances to the union of both lists to `total`, row by row.

    `a_to_b` are the distances in a to the list of b. Returns the new total, and the first row
    whose distances are all 0 in a or in b, or −1.
    """
    n, k = near_a.shape
    for row in range(n):
        product, square_a, square_b = 0.0, 0.0, 0.0
        for i in range(k):
            product += a_to_a[row, i] * b_to_a[row, i]
            square_a += a_to_a[row, i] * a_to_a[row, i]
            square_b += b_to_a[row, i] * b_to_a[row, i]
        for j in range(k):
            shared = np.int32(0)
            for i in range(k):
                shared += np.int32(near_a[row, i] == near_b[row, j])
            if shared == 0:
                product += a_to_b[row, j] * b_to_b[row, j]
                square_a += a_to_b[row, j] * a_to_b[row, j]
                square_b += b_to_b[row, j] * b_to_b[row, j]
        if square_a == 0.0 or square_b == 0.0:
            return total, row
        total += product / (np.sqrt(square_a) * np.sqrt(square_b))
    return total, -1
