"""The inner products of linear kernels from d×d cross-moments, in one pass over the rows.

For centred X and Y, Σ_ij K_ij L_ij = ‖XᵀY‖²_F, and every row of K sums to zero. So the biased
and the debiased HSIC of linear kernels follow exactly from XᵀY and the squared row norms, at
any n, in O(d²) memory (Song et al. 2012, equation 4, with centred features).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from repscape.compute.arrays import row_blocks
from repscape.compute.gram import Pairs, PairSums
from repscape.compute.matrix import Matrix
from repscape.compute.rows import Rows

MOMENT_BLOCK_ROWS = 1024
SMALL_MOMENTS = 128 * 128
"""Up to so many entries products are made in float64: they cost little, and there are too few of
them for the roundings of float32 to cancel (a CKA of 1 would come out as 1 + 1e-6)."""


def moments_cost(rows: Sequence[Rows], pairs: Iterable[tuple[int, int]]) -> int:
    """Multiplications of the moment route."""
    return sum(rows[a].n * rows[a].d * rows[b].d for a, b in pairs)


def moments_bytes(rows: Sequence[Rows], pairs: Iterable[tuple[int, int]]) -> int:
    """Memory for the moments of these pairs, one product, and one block of rows."""
    pairs = list(pairs)
    used = {index for pair in pairs for index in pair}
    areas = [rows[a].d * rows[b].d for a, b in pairs]
    return 8 * (sum(areas) + 2 * max(areas)) + 24 * MOMENT_BLOCK_ROWS * sum(rows[u].d for u in used)


def sweep_cost(rows: Sequence[Rows]) -> int:
    """Multiplications of the tile sweep over the linear kernels of all these rows."""
    n = rows[0].n
    return n * n * (sum(r.d for r in rows) + len(rows) ** 2) // 2


def sweep_is_cheaper(n: int, widths: Sequence[int]) -> bool:
    """Whether the sweep takes fewer multiplications than the moments of all pairs, own included."""
    total, squares = sum(widths), sum(d * d for d in widths)
    return n * (total + len(widths) ** 2) <= total**2 + squares


def linear_pair_sums(
    matrices: Sequence[Matrix], pairs: Pairs, memory_limit: int
) -> dict[tuple[int, int], PairSums]:
    """`PairSums` of linear kernels of centred rows, without any n×n matrix or tile.

    Float32 rows of many features are multiplied in float32 within blocks of rows; blocks add up
    in float64.
    The largest pair must fit: `moments_bytes(rows, [pair])` ≤ memory_limit.
    """
    rows = [_rows_of(matrix) for matrix in matrices]
    sums: dict[tuple[int, int], PairSums] = {}
    for batch in _batches(rows, sorted(set(pairs)), memory_limit):
        for (a, b), moment in _cross_moments(rows, batch).items():
            left, right = matrices[a].diagonal, matrices[b].diagonal
            sums[a, b] = centred_pair_sums(
                matrices[a].n,
                everything=float(moment.square().sum()),
                diagonal=float(torch.dot(left, right)),
                trace_a=float(left.sum()),
                trace_b=float(right.sum()),
            )
    return sums


def _rows_of(matrix: Matrix) -> Rows:
    assert matrix.linear
    assert matrix.rows is not None
    assert matrix.rows.kind == "centred"
    return matrix.rows


def _batches(
    rows: Sequence[Rows], pairs: Pairs, memory_limit: int
) -> Iterable[list[tuple[int, int]]]:
    """Split the pairs so that the moments of each batch, and one block of rows, fit."""
    batch: list[tuple[int, int]] = []
    for pair in pairs:
        if batch and moments_bytes(rows, [*batch, pair]) > memory_limit:
            yield batch
            batch = []
        batch.append(pair)
    if batch:
        yield batch


def _cross_moments(
    rows: Sequence[Rows], pairs: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], torch.Tensor]:
    """XᵀY in float64 for every pair."""
    used = sorted({index for pair in pairs for index in pair})
    device = rows[used[0]].x.device
    moments = {
        (a, b): torch.zeros(rows[a].d, rows[b].d, dtype=torch.float64, device=device)
        for a, b in pairs
    }
    for i in row_blocks(rows[used[0]].n, MOMENT_BLOCK_ROWS):
        blocks = {index: rows[index].block(i) for index in used}
        for a, b in pairs:
            moments[a, b] += block_moments(blocks[a], blocks[b])
    return moments


def block_moments(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """XᵀY of a block of rows, in float32 where both are and have many features."""
    common = torch.promote_types(x.dtype, y.dtype)
    if x.shape[1] * y.shape[1] <= SMALL_MOMENTS:
        common = torch.float64
    return x.to(common).T @ y.to(common)


def centred_pair_sums(
    n: int, everything: float, diagonal: float, trace_a: float, trace_b: float
) -> PairSums:
    """`PairSums` of linear kernels K and L of centred rows.

    Parameters
    ----------
    n : int
        Number of samples.
    everything, diagonal : float
        Σ_ij K_ij L_ij and Σ_i K_ii L_ii.
    trace_a, trace_b : float
        The traces of K and of L.
    """
    # Every row of a centred linear kernel sums to 0, so its off-diagonal part to -K_ii.
    return PairSums(
        n=n,
        off=everything - diagonal,
        rows=diagonal,
        total_a=-trace_a,
        total_b=-trace_b,
        diagonal=diagonal,
        cross_ab=-diagonal,
        cross_ba=-diagonal,
        trace_a=trace_a,
        trace_b=trace_b,
    )
