"""The same tile of many matrices, formed together for a sweep."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import torch

from repscape.compute.matrix import Matrix
from repscape.compute.rows import Rows


def distinct_rows(matrices: Sequence[Matrix]) -> dict[Hashable, Rows]:
    """Rows by key, of equal ones those that hold their products already."""
    found: dict[Hashable, Rows] = {}
    for matrix in matrices:
        if matrix.rows is not None and (matrix.rows.has_products or matrix.rows.key not in found):
            found[matrix.rows.key] = matrix.rows
    return found


class TileStack:
    """Forms tiles of all matrices, of up to side × side entries, and adds up their row sums.

    `row_sums` is (M, n) float64: Σ_{j≠i} (A_ij − pivot) over the tiles (I, J), I ≤ J, formed so
    far and their mirror images.
    """

    def __init__(self, matrices: Sequence[Matrix], side: int) -> None:
        self._matrices = matrices
        self._rows = distinct_rows(matrices)
        n, device = matrices[0].n, matrices[0].diagonal.device
        self.row_sums = torch.zeros(len(matrices), n, dtype=torch.float64, device=device)
        # One allocation for all tiles: fresh memory costs as much as filling it.
        self._room = self.row_sums.new_empty(len(matrices) * min(side, n) ** 2)

    def form(self, i: slice, j: slice) -> torch.Tensor:
        """The tiles (i, j) less their pivots, (M, b_i, b_j) float64, with a zero diagonal.

        Their memory is that of the tiles formed before.
        """
        shape = (len(self._matrices), i.stop - i.start, j.stop - j.start)
        stack = self._room[: math.prod(shape)].view(shape)
        lay = _lay_compiled if stack.device.type == "cpu" else _lay
        products: dict[Hashable, torch.Tensor] = {}
        for matrix, sums, out in zip(self._matrices, self.row_sums, stack, strict=True):
            lay(self._tile(matrix, i, j, products), matrix.pivot, i, j, out, sums)
        return stack

    def _tile(
        self, matrix: Matrix, i: slice, j: slice, products: dict[Hashable, torch.Tensor]
    ) -> torch.Tensor:
        if matrix.rows is None:
            return matrix.tile(i, j)
        # Measures with other kernels of the same rows share their inner products.
        key = matrix.rows.key
        if key not in products:
            products[key] = self._rows[key].products(i, j)
        return matrix.tile(i, j, products[key])


def _lay(
    tile: torch.Tensor, pivot: float, i: slice, j: slice, out: torch.Tensor, sums: torch.Tensor
) -> None:
    """Write the tile less the pivot, with a zero diagonal, and add it to the row sums (n,)."""
    out[:] = tile
    if pivot:
        out -= pivot
    if i == j:
        out.fill_diagonal_(0.0)
    else:
        sums[j] += out.sum(dim=0)
    sums[i] += out.sum(dim=1)


def _lay_compiled(
    tile: torch.Tensor, pivot: float, i: slice, j: slice, out: torch.Tensor, sums: torch.Tensor
) -> None:
    """`_lay` in one pass over the tile."""
    from repscape.compute.compiled_tiles import flat_rows, lay_tile

    across, down = (sums.new_zeros(size) for size in out.shape)
    written, summed = out.numpy(), (across.numpy(), down.numpy())
    lay_tile(*flat_rows(tile), pivot, i == j, written, *summed)
    sums[i] += across
    if i != j:
        sums[j] += down
