"""The compiled inner products of a stack of tiles, all with all, by symmetry each once.

A matrix product V Vᵀ of few long rows forms both halves and reads V from memory for each block
of rows; here a piece of every row stays in the cache while four by four rows meet. Compiled by
numba on first use and cached on disk; importing this module imports numba, so the callers do it
lazily. It runs in one thread and releases the interpreter lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

from repscape.compute.threads import in_ranges

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.floating[Any]]
    Integers = npt.NDArray[np.integer[Any]]

PIECE = 2048
"""Columns that are read at once: 16 rows of them are 256 KiB, which a second-level cache holds."""
PART = 16 * PIECE
"""Columns whose sums are formed on their own, by one thread."""


# Sums may be split into lanes and fused with the multiplication, as in any matrix product.
@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _four_by_four(
    a0: Floats,
    a1: Floats,
    a2: Floats,
    a3: Floats,
    b0: Floats,
    b1: Floats,
    b2: Floats,
    b3: Floats,
    out: Floats,
) -> None:
    """Write Σ_k a_r[k] b_c[k] to out[r, c]: sixteen sums, each held in a register."""
    s00 = s01 = s02 = s03 = s10 = s11 = s12 = s13 = 0.0
    s20 = s21 = s22 = s23 = s30 = s31 = s32 = s33 = 0.0
    for k in range(len(a0)):
        x0, x1, x2, x3 = a0[k], a1[k], a2[k], a3[k]
        y0, y1, y2, y3 = b0[k], b1[k], b2[k], b3[k]
        s00 += x0 * y0
        s01 += x0 * y1
        s02 += x0 * y2
        s03 += x0 * y3
        s10 += x1 * y0
        s11 += x1 * y1
        s12 += x1 * y2
        s13 += x1 * y3
        s20 += x2 * y0
        s21 += x2 * y1
        s22 += x2 * y2
        s23 += x2 * y3
        s30 += x3 * y0
        s31 += x3 * y1
        s32 += x3 * y2
        s33 += x3 * y3
    out[0, 0], out[0, 1], out[0, 2], out[0, 3] = s00, s01, s02, s03
    out[1, 0], out[1, 1], out[1, 2], out[1, 3] = s10, s11, s12, s13
    out[2, 0], out[2, 1], out[2, 2], out[2, 3] = s20, s21, s22, s23
    out[3, 0], out[3, 1], out[3, 2], out[3, 3] = s30, s31, s32, s33


@njit(nogil=True, cache=True)
def _add_parts(first: int, last: int, flat: Floats, index: Integers, out: Floats) -> None:
    """Add what the parts first … last of the columns give to `out`, (parts, m, m), a ≤ b only."""
    block = np.empty((4, 4))
    for part in range(first, last):
        for start in range(part * PART, min(len(flat[0]), (part + 1) * PART), PIECE):
            stop = min(len(flat[0]), start + PIECE)
            for a in range(0, len(index), 4):
                for b in range(a, len(index), 4):
                    _four_by_four(
                        flat[index[a], start:stop],
                        flat[index[a + 1], start:stop],
                        flat[index[a + 2], start:stop],
                        flat[index[a + 3], start:stop],
                        flat[index[b], start:stop],
                        flat[index[b + 1], start:stop],
                        flat[index[b + 2], start:stop],
                        flat[index[b + 3], start:stop],
                        block,
                    )
                    out[part, a : a + 4, b : b + 4] += block


def inner_products(flat: Floats, rows: Sequence[int]) -> Floats:
    """Σ_k flat[rows[a], k] · flat[rows[b], k] for all a and b, (m, m) float64, symmetric.

    `flat` is C-contiguous, (M, K) float64. Threads share out parts of the columns, whose sums
    are added in one order, so that their number changes no bit.
    """
    # Where the rows are no multiple of four, the last one stands in and what it gives is cut off.
    index = np.array([*rows, *[rows[-1]] * (-len(rows) % 4)])
    parts = -(-flat.shape[1] // PART)
    sums = np.zeros((parts, len(index), len(index)))
    in_ranges(_add_parts, parts, flat, index, sums)
    upper = np.triu(sums.sum(axis=0)[: len(rows), : len(rows)])
    whole: Floats = upper + np.triu(upper, 1).T
    return whole
