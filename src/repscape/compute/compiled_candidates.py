"""The compiled loops on both sides of the sweep: rows into operands, candidates into neighbours.

Compiled by numba on first use and cached on disk; importing this module imports numba, so the
callers do it lazily. Every function releases the interpreter lock and handles one range of the
work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

from repscape.compute.compiled import _keep_smallest, _pair_sum
from repscape.compute.exact import LANES

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.floating[Any]]
    Integers = npt.NDArray[np.integer[Any]]
    Flags = npt.NDArray[np.bool_]


@njit(nogil=True, cache=True)
def operand_rows(
    start: int,
    stop: int,
    x: Floats,
    order: Integers,
    centre: Floats,
    divisors: Floats,
    out: Floats,
    squared_norms: Floats,
) -> None:
    """Write (x − centre)/divisor of the rows order[start … stop] in float32, and ‖·‖² of that."""
    for p in range(start, stop):
        row, divisor = order[p], divisors[p]
        for c in range(x.shape[1]):
            out[p, c] = (np.float64(x[row, c]) - centre[c]) / divisor
        total = 0.0
        for c in range(x.shape[1]):
            total += np.float64(out[p, c]) * np.float64(out[p, c])
        squared_norms[p] = total


@njit(nogil=True, cache=True)
def order_candidates(
    start: int,
    stop: int,
    keep: int,
    scale: float,
    x: Floats,
    rows: Integers,
    keys: Floats,
    positions: Integers,
    order: Integers,
    floors: Floats,
    beyond: Floats,
    squared_norms: Floats,
    indices: Integers,
    distances: Floats,
    sure: Flags,
) -> None:
    """Write the nearest of the candidates of some rows by (exact distance, index).

    The first `keep` columns of `keys` and `positions` are the lists of the samples `rows` (m,),
    and are reordered.
    A candidate of position p is sample order[p], and its scaled squared distance to row r is at
    least key + floors[r]. That of anything unlisted is at least beyond[r]. `squared_norms` are
    those of the samples under the cosine metric and empty under the Euclidean one, `scale` what
    scales a Euclidean distance.

    Exact distances are taken of the candidates of the k smallest keys, and of those others that
    the bound does not put beyond the farthest of them. `sure[r]` says whether nothing unlisted
    can be among the k nearest.
    """
    k = indices.shape[1]
    cosine = len(squared_norms) > 0
    row = np.zeros(x.shape[1])
    lanes = np.zeros(LANES)
    near, who = np.zeros(keep), np.zeros(keep, dtype=np.int64)
    for r in range(start, stop):
        sample = rows[r]
        for c in range(x.shape[1]):
            row[c] = x[sample, c]
        if k < keep:
            _keep_smallest(keys[r], positions[r], keep, k)
        taken, farthest = 0, -np.inf
        for q in range(keep):
            if q >= k and np.float64(keys[r, q]) + floors[r] > farthest:
                continue
            other = order[positions[r, q]]
            total = _pair_sum(row, x[other], not cosine, lanes)
            if cosine:
                distance = 1 - total / np.sqrt(squared_norms[sample] * squared_norms[other])
                squared = 2 * distance
            else:
                distance = np.sqrt(total)
                squared = (distance * scale) * (distance * scale)
            if q < k:
                farthest = max(farthest, squared)
            near[taken], who[taken] = distance, other
            taken += 1
        _sort_pairs(near[:taken], who[:taken])
        distances[sample] = near[:k]
        indices[sample] = who[:k]
        last = near[k - 1]
        squared = 2 * last if cosine else (last * scale) * (last * scale)
        sure[r] = squared < beyond[r]


@njit(nogil=True, cache=True)
def _sort_pairs(values: Floats, ids: Integers) -> None:
    """Sort by (value, id)."""
    places = np.argsort(values)
    values[:], ids[:] = values[places], ids[places]
    # Equal values stand together by now; each moves before those of larger id.
    for i in range(1, len(values)):
        value, number = values[i], ids[i]
        j = i - 1
        while j >= 0 and values[j] == value and ids[j] > number:
            values[j + 1], ids[j + 1] = values[j], ids[j]
            j -= 1
        values[j + 1], ids[j + 1] = value, number
