"""Sums over pairs of samples while the samples of one side change places.

A permutation null asks for Σ_ij A_ij B_π(i)π(j) at many orders π. Nothing is prepared again:
two whole matrices are read in another order, the lists of neighbours are looked up under new
names, and linear kernels of many samples use ‖XᵀP Y‖², without any n×n matrix.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch

from repscape.compute.arrays import row_blocks
from repscape.compute.gram import DENSE_ROWS, PairSums, assemble, dense_pair_sums, sweep
from repscape.compute.matrix import Matrix
from repscape.compute.memory import show_bytes
from repscape.compute.moments import linear_pair_sums, moments_bytes
from repscape.compute.threads import in_ranges
from repscape.errors import MemoryLimitError

_COMPILED_ROWS = 192
"""From this n on, a compiled loop is faster than gathering whole matrices."""
_BATCH_ENTRIES = 2**22
_MULTIPLICATIONS_PER_READ = 16
"""About how many multiplications of a matrix product take as long as one read out of order."""
_SMALL_TABLE = 2**22
_WHOLE_BYTES = 32
"""For each pair of samples: two float64 matrices, and as much while one of them is formed."""


def own_sums(a: Matrix, memory_limit: int) -> PairSums:
    """`PairSums` of a matrix with itself, by the cheapest route that fits."""
    if a.n <= DENSE_ROWS:
        return dense_pair_sums(a, a)
    if (
        _centred_linear(a)
        and a.rows is not None
        and moments_bytes([a.rows], [(0, 0)]) <= memory_limit
    ):
        return linear_pair_sums([a], [(0, 0)], memory_limit)[0, 0]
    return sweep([a], [[(0, 0)]], memory_limit)[0][0, 0]


def permuted_sums(
    a: Matrix, b: Matrix, orders: torch.Tensor, memory_limit: int
) -> Iterator[PairSums]:
    """`PairSums` of a with b in each of the orders, (R, n) int64.

    Raises `MemoryLimitError` if neither two whole matrices nor, for linear kernels, two products
    of the features fit.
    """
    if _through_features(a, b, memory_limit):
        yield from _linear_sums(a, b, orders)
        return
    needed = _WHOLE_BYTES * a.n * a.n
    if needed > memory_limit:
        fitting = int((memory_limit / _WHOLE_BYTES) ** 0.5)
        raise MemoryLimitError(
            f"a permutation null holds two matrices of {a.n}×{a.n} and forms them "
            f"({show_bytes(needed)}), but memory_limit is {show_bytes(memory_limit)}: raise it, or "
            f"compare at most {fitting} samples"
        )
    whole_a, whole_b = a.dense, b.dense
    rows_a, rows_b = a.dense_row_sums, b.dense_row_sums
    orders = orders.to(whole_a.device)
    for order, off in zip(orders, permuted_products(whole_a, whole_b, orders), strict=True):
        moved = replace(b, diagonal=b.diagonal[order])
        yield assemble(a, moved, float(off), rows_a, rows_b[order])


def permuted_products(a: torch.Tensor, b: torch.Tensor, orders: torch.Tensor) -> torch.Tensor:
    """Σ_ij a_ij b_π(i)π(j) for symmetric float64 a and b with zero diagonals; (R,)."""
    n = a.shape[0]
    if a.device.type == "cpu" and n >= _COMPILED_ROWS:
        from repscape.compute.compiled_permuted import sum_permuted_products

        out = torch.empty(len(orders), dtype=torch.float64)
        arrays = (a.contiguous().numpy(), b.contiguous().numpy(), orders.numpy(), out.numpy())
        in_ranges(sum_permuted_products, len(orders), *arrays)
        return out
    parts = []
    for block in row_blocks(len(orders), max(1, _BATCH_ENTRIES // (n * n))):
        moved = b[orders[block, :, None], orders[block, None, :]]
        parts.append(moved.flatten(start_dim=1) @ a.flatten())
    return torch.cat(parts)


def permuted_overlaps(
    neighbours_a: torch.Tensor, sets_b: torch.Tensor, orders: torch.Tensor
) -> torch.Tensor:
    """Σ_i |A_i ∩ B'_i| in each of the orders (R, n), B' being the lists of b renamed; (R,) int64.

    j is among the neighbours of i in B' if order[j] is among those of order[i] in b. Both tables
    are (n, k) int32; the rows of `sets_b` ascend.
    """
    n = neighbours_a.shape[0]
    if n * n > _SMALL_TABLE or n >= _COMPILED_ROWS:
        from repscape.compute.compiled_permuted import count_permuted_overlaps

        out = torch.empty(len(orders), dtype=torch.int64)
        arrays = (neighbours_a, sets_b.contiguous(), orders, out)
        in_ranges(count_permuted_overlaps, len(orders), *(array.numpy() for array in arrays))
        return out
    is_neighbour = torch.zeros(n, n, dtype=torch.bool)
    is_neighbour[torch.arange(n)[:, None], sets_b.long()] = True
    near = neighbours_a.long()
    parts = []
    for block in row_blocks(len(orders), max(1, _BATCH_ENTRIES // near.numel())):
        renamed = orders[block]
        found = is_neighbour[renamed[:, :, None], renamed[:, near]]
        parts.append(found.sum(dim=(1, 2)))
    return torch.cat(parts)


def permuted_cross_products(
    x: torch.Tensor, y: torch.Tensor, orders: torch.Tensor
) -> Iterator[tuple[slice, torch.Tensor]]:
    """XᵀP Y in each of the orders (R, n): blocks of orders with their (r, d, d') products.

    The features of a block's orders stand side by side, so that one product serves them all.
    """
    left = x.T.contiguous()
    for block in row_blocks(len(orders), max(1, _BATCH_ENTRIES // y.numel())):
        moved = y[orders[block].to(y.device)].transpose(0, 1).flatten(start_dim=1)
        yield block, (left @ moved).view(x.shape[1], -1, y.shape[1]).transpose(0, 1)


def _centred_linear(matrix: Matrix) -> bool:
    return matrix.linear and matrix.rows is not None and matrix.rows.kind == "centred"


def _through_features(a: Matrix, b: Matrix, memory_limit: int) -> bool:
    """Whether ‖XᵀP Y‖² is to be preferred to reading whole matrices in another order."""
    if not (_centred_linear(a) and _centred_linear(b)):
        return False
    assert a.rows is not None
    assert b.rows is not None
    if _WHOLE_BYTES * a.n * a.n > memory_limit:
        return True
    return 2 * a.rows.d * b.rows.d < _MULTIPLICATIONS_PER_READ * a.n


def _linear_sums(a: Matrix, b: Matrix, orders: torch.Tensor) -> Iterator[PairSums]:
    """Every row of a centred linear kernel sums to 0, so all sums follow from ‖XᵀP Y‖²."""
    assert a.rows is not None
    assert b.rows is not None
    x, y = a.rows.block64(slice(0, a.n)), b.rows.block64(slice(0, b.n))
    trace_a, trace_b = float(a.diagonal.sum()), float(b.diagonal.sum())
    for block, products in permuted_cross_products(x, y, orders):
        full = products.square().sum(dim=(1, 2)).tolist()
        for order, squared in zip(orders[block], full, strict=True):
            diagonal = float(torch.dot(a.diagonal, b.diagonal[order]))
            yield PairSums(
                n=a.n,
                off=squared - diagonal,
                rows=diagonal,
                total_a=-trace_a,
                total_b=-trace_b,
                diagonal=diagonal,
                cross_ab=-diagonal,
                cross_ba=-diagonal,
                trace_a=trace_a,
                trace_b=trace_b,
            )
