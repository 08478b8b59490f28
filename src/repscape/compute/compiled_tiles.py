"""The compiled loops over tiles of n×n matrices: mapping, shifting and summing in one pass.

What a chain of tensor operations reads and writes several times is read once and written once.
Compiled by numba on first use and cached on disk; importing this module imports numba, so the
callers do it lazily. Tiles are given as `flat_rows`; every function runs in one thread and
releases the interpreter lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numba import njit

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.floating[Any]]


def flat_rows(tile: torch.Tensor) -> tuple[Floats, int]:
    """The memory of a tile whose rows are contiguous, and the step from one row to the next.

    The compiler makes vector instructions of loops over contiguous arrays only.
    """
    if tile.stride(1) != 1:
        tile = tile.contiguous()
    step = tile.stride(0)
    length = (tile.shape[0] - 1) * step + tile.shape[1]
    return tile.as_strided((length,), (1,)).numpy(), step


# Sums may be split into lanes, in an order that the compiler fixes.
@njit(nogil=True, cache=True, fastmath={"reassoc"})
def _lay_part(tile: Floats, pivot: float, out: Floats, column_sums: Floats) -> float:
    total = 0.0
    for c in range(len(tile)):
        value = np.float64(tile[c]) - pivot
        out[c] = value
        column_sums[c] += value
        total += value
    return total


@njit(nogil=True, cache=True)
def lay_tile(
    tile: Floats,
    step: int,
    pivot: float,
    on_diagonal: bool,
    out: Floats,
    row_sums: Floats,
    column_sums: Floats,
) -> None:
    """Write the entries less the pivot to `out`, and add them to the sums of rows and columns.

    On the diagonal, where the tile holds samples against themselves, entries (r, r) become 0.
    """
    height, width = out.shape
    for r in range(height):
        row = tile[r * step : r * step + width]
        if on_diagonal:
            total = _lay_part(row[:r], pivot, out[r, :r], column_sums[:r])
            total += _lay_part(row[r + 1 :], pivot, out[r, r + 1 :], column_sums[r + 1 :])
            out[r, r] = 0.0
        else:
            total = _lay_part(row, pivot, out[r], column_sums)
        row_sums[r] += total


def half_squared_distances(
    products: torch.Tensor, norms_i: torch.Tensor, norms_j: torch.Tensor, factor: float
) -> torch.Tensor:
    """factor · max(0, (norms_i[r] + norms_j[c]) / 2 − products[r, c]), (b_i, b_j).

    The sum of the norms is formed in float64, the rest in the dtype of the products.
    """
    out = torch.empty_like(products, memory_format=torch.contiguous_format)
    scale: Any = out.new_tensor(factor).numpy()[()]
    flat, step = flat_rows(products)
    _half_squared_distances(flat, step, norms_i.numpy(), norms_j.numpy(), scale, out.numpy())
    return out


@njit(nogil=True, cache=True)
def _half_squared_distances(
    products: Floats,
    step: int,
    norms_i: Floats,
    norms_j: Floats,
    factor: np.floating[Any],
    out: Floats,
) -> None:
    height, width = out.shape
    half, zero = products.dtype.type(0.5), products.dtype.type(0.0)
    for r in range(height):
        row = products[r * step : r * step + width]
        norm = norms_i[r]
        for c in range(width):
            value = half * products.dtype.type(norm + norms_j[c]) - row[c]
            # Not max: a NaN stays one.
            out[r, c] = factor * (zero if value < zero else value)
