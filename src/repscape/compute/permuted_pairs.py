"""The sums of `repscape.compute.permuted`, for many pairs of representations at once.

All pairs share the permutations. So the entries of a matrix are put into another order once for
all the pairs that it is part of, and one matrix product gives the sums of all of them; and of
neighbour lists, one table says for every two samples in which representations they are
neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import torch

from repscape.compute.arrays import row_blocks
from repscape.compute.gram import PairSums
from repscape.compute.mapped import mapped_empty
from repscape.compute.matrix import Matrix
from repscape.compute.threads import in_ranges, one_thread

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Integers = npt.NDArray[np.integer[Any]]

Pairs = Sequence[tuple[int, int]]

_CHUNK_BYTES = 2**23
"""What one chunk of entries takes: about a processor's cache."""
_WIDE = 192
"""So many reordered matrices make a product efficient."""
_SUMS_BYTES = 2**26
_BITS = 63
"""Representations whose neighbours one table holds, a bit each."""
_COUNTS = 2**20
"""Counts of shared neighbours that are taken at a time, 8 MiB."""


def together(pairs: Pairs) -> bool:
    """Whether enough of the pairs of two sets are asked for to do them all at once."""
    left, right = {a for a, _ in pairs}, {b for _, b in pairs}
    return len(pairs) > 3 and 8 * len(pairs) > len(left) * len(right)


def sums_bytes(memory_limit: int) -> int:
    """What the sums of `permuted_pair_sums` take at a time."""
    return min(_SUMS_BYTES, memory_limit // 16)


def working_bytes(memory_limit: int) -> int:
    """What `permuted_pair_sums` holds beyond whole matrices."""
    return 2 * sums_bytes(memory_limit) + 2 * _CHUNK_BYTES


def worthwhile(matrices: Sequence[Matrix], pairs: Pairs, memory_limit: int) -> bool:
    """Whether `permuted_pair_sums` of these pairs fits and costs less than each on its own."""
    first = matrices[0]
    if first.diagonal.device.type != "cpu" or not together(pairs):
        return False
    if 8 * first.n**2 * len(matrices) + working_bytes(memory_limit) > memory_limit:
        return False
    widths = [m.rows.d for m in matrices if m.linear and m.rows is not None]
    # Narrow linear kernels of many samples need no products of all pairs of samples.
    return len(widths) < len(matrices) or 2 * max(widths) ** 2 > first.n


def permuted_pair_sums(
    matrices: Sequence[Matrix], pairs: Pairs, orders: torch.Tensor, memory_limit: int
) -> Iterator[tuple[tuple[int, int], PairSums]]:
    """`PairSums` of every pair (positions in `matrices`) with its second side in each order.

    Parameters
    ----------
    matrices : sequence of Matrix
        All of the same n, on the CPU; they are kept whole.
    orders : (R, n) int64 tensor

    Yields
    ------
    Every pair with its sums, of which those that change with the order are (R,) tensors.
    """
    right = sorted({b for _, b in pairs})
    column = {index: position for position, index in enumerate(right)}
    rows = max(1, sums_bytes(memory_limit) // (40 * len(orders) * len(right)))
    every_left = sorted({a for a, _ in pairs})
    for block in row_blocks(len(every_left), rows):
        left = every_left[block]
        row = {index: position for position, index in enumerate(left)}
        off = _off_diagonal(
            [matrices[index] for index in left],
            [matrices[index] for index in right],
            orders,
            torch.get_num_threads(),
        )
        vectors = _vector_products(
            [matrices[index] for index in left], [matrices[index] for index in right], orders
        )
        for a, b in pairs:
            if a in row:
                place = row[a], column[b]
                sums = [off[(slice(None), *place)], *vectors[(slice(None), slice(None), *place)]]
                yield (a, b), _assemble(matrices[a], matrices[b], sums)


def each_order(sums: PairSums) -> Iterator[PairSums]:
    """The sums of `permuted_pair_sums` for one order after the other."""
    names = ("off", "rows", "diagonal", "cross_ab", "cross_ba")
    vectors = [cast(torch.Tensor, getattr(sums, name)).tolist() for name in names]
    for values in zip(*vectors, strict=True):
        yield replace(sums, **dict(zip(names, values, strict=True)))


def _assemble(a: Matrix, b: Matrix, sums: Sequence[torch.Tensor]) -> PairSums:
    # The scores are sums and products of these, which vectors have as numbers do.
    off, rows, cross_ba, cross_ab, diagonal = (cast(float, value) for value in sums)
    return PairSums(
        n=a.n,
        off=off,
        rows=rows,
        total_a=float(a.dense_row_sums.sum()),
        total_b=float(b.dense_row_sums.sum()),
        diagonal=diagonal,
        cross_ab=cross_ab,
        cross_ba=cross_ba,
        trace_a=float((a.diagonal - a.pivot).sum()),
        trace_b=float((b.diagonal - b.pivot).sum()),
        pivot_a=a.pivot,
        pivot_b=b.pivot,
    )


@one_thread()
def _off_diagonal(
    left: Sequence[Matrix], right: Sequence[Matrix], orders: torch.Tensor, threads: int
) -> torch.Tensor:
    """Σ_{i≠j} A_ij B_π(i)π(j) for all A in `left`, B in `right` and orders π; (R, L, L').

    The entries are moved by `threads`. The products are too small to share out: the threads of
    the library would be waiting for the next one, on the cores that move entries meanwhile.
    """
    n, count = left[0].n, len(orders)
    out = torch.zeros(count, len(left), len(right), dtype=torch.float64)
    at_once = max(1, min(count, _WIDE // len(right)))
    whole = [matrix.dense.contiguous().numpy() for matrix in right]
    entries = max(n, _CHUNK_BYTES // (8 * (len(left) + at_once * len(right))))
    chunks = list(_lower_chunks(n, entries))
    # One allocation for all chunks, which differ in size.
    largest = max((size for _, _, size in chunks), default=0)
    room_left = mapped_empty((len(left) * largest,), torch.float64)
    room_right = mapped_empty((len(right) * at_once * largest,), torch.float64)
    for first, last, size in chunks:
        i, j = torch.tril_indices(last - first, last, first - 1)
        kept = room_left[: len(left) * size].view(len(left), size)
        for row, matrix in zip(kept, left, strict=True):
            row.copy_(matrix.dense[first + i, j])
        moved = room_right[: len(right) * at_once * size].view(len(right), at_once, size)
        for block in row_blocks(count, at_once):
            chosen = orders[block].numpy()
            in_ranges(
                _gather_each, len(whole), whole, chosen, first, last, moved.numpy(), threads=threads
            )
            flat = moved[:, : len(chosen)].flatten(end_dim=1)
            products = (kept @ flat.T).view(len(left), len(right), len(chosen))
            out[block] += products.permute(2, 0, 1)
    return out.mul_(2.0)


def _gather_each(
    start: int,
    stop: int,
    matrices: Sequence[Floats],
    orders: Integers,
    first: int,
    last: int,
    out: Floats,
) -> None:
    """`gather_lower` of the matrices start … stop: each call is too short for a thread's own."""
    from repscape.compute.compiled_permuted import gather_lower

    for position in range(start, stop):
        gather_lower(0, len(orders), matrices[position], orders, first, last, out[position])


def _lower_chunks(n: int, entries: int) -> Iterator[tuple[int, int, int]]:
    """Ranges of rows whose entries below the diagonal are about so many, and their number."""
    first = 1
    while first < n:
        last, size = first, 0
        while last < n and (size == 0 or size + last <= entries):
            size += last
            last += 1
        yield first, last, size
        first = last


def _vector_products(
    left: Sequence[Matrix], right: Sequence[Matrix], orders: torch.Tensor
) -> torch.Tensor:
    """(4, R, L, L'): products of row sums with row sums and with diagonals, A's side first.

    ⟨rows, rows⟩, ⟨rows, diagonal⟩, ⟨diagonal, rows⟩, ⟨diagonal, diagonal⟩, B being reordered.
    """
    sides = [
        torch.stack(
            [matrix.dense_row_sums for matrix in matrices]
            + [matrix.diagonal - matrix.pivot for matrix in matrices]
        )
        for matrices in (left, right)
    ]
    found = torch.stack([sides[0] @ sides[1][:, order].T for order in orders])
    split = found.view(len(orders), 2, len(left), 2, len(right))
    return split.permute(1, 3, 0, 2, 4).flatten(end_dim=1)


def permuted_pair_overlaps(
    neighbours: Sequence[torch.Tensor], pairs: Pairs, orders: torch.Tensor
) -> torch.Tensor:
    """Σ_i |A_i ∩ B'_i| of every pair in each of the orders (R, n); (pairs, R) int64.

    B' are the lists of the pair's second side renamed as in `permuted_overlaps`. All lists are
    (n, k) int32.
    """
    from repscape.compute.compiled_permuted import count_shared_neighbours

    right = sorted({b for _, b in pairs})
    place = {index: position for position, index in enumerate(right)}
    left = sorted({a for a, _ in pairs})
    row = {index: position for position, index in enumerate(left)}
    counts = torch.zeros(len(orders), len(left), len(right), dtype=torch.int64)
    n = neighbours[0].shape[0]
    for block in row_blocks(len(right), _BITS):
        table = mapped_empty((n, n), torch.int64).zero_()
        for bit, index in enumerate(right[block]):
            table.scatter_add_(1, neighbours[index].long(), _full(neighbours[index], 1 << bit))
        for some in row_blocks(len(left), max(1, _COUNTS // (len(orders) * _BITS))):
            near = torch.stack([neighbours[index] for index in left[some]])
            found = torch.zeros(len(orders), len(near), _BITS, dtype=torch.int64)
            arrays = (near, table, orders, found)
            in_ranges(count_shared_neighbours, len(orders), *(array.numpy() for array in arrays))
            counts[:, some, block] = found[:, :, : block.stop - block.start]
    return torch.stack([counts[:, row[a], place[b]] for a, b in pairs])


def overlap_table_bytes(n: int) -> int:
    """What `permuted_pair_overlaps` holds for the table of who is whose neighbour."""
    return 8 * n * n


def _full(like: torch.Tensor, value: int) -> torch.Tensor:
    return torch.full(like.shape, value, dtype=torch.int64)
