"""Median, ranks and rank correlations of the n(n-1)/2 entries of a distance matrix.

The median is exact at any n. Average ranks are exact up to `EXACT_RANK_ROWS` samples; beyond,
distances are mapped to the mean rank of the narrow bin that they fall into, with bins fitted to
quantiles and refined until the stated bound on a Spearman correlation holds.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from repscape.compute.mapped import mapped_empty, return_freed
from repscape.compute.order import (
    KEPT_VALUES,
    SAMPLED_ROWS,
    SMALL_COUNT,
    TILE_ROWS,
    DistanceTile,
    bracket,
    can_bracket,
    distinct,
    histogram,
    order_statistics,
    pick,
    sampled_entries,
    upper_tiles,
)
from repscape.compute.rows import Rows
from repscape.errors import UndefinedScoreError

EXACT_RANK_ROWS = 4096
"""Up to this n ranks are exact in float32 (half-integers below 2²³)."""
RANK_BINS = 2**17
RANK_ERROR = 1e-4
"""Beyond `EXACT_RANK_ROWS`: the most by which binning may change a Spearman correlation."""
_COMPILED_ROWS = 512
"""With fewer, tensors are faster than loading compiled code, and what they hold is small."""

_NOISE_BITS = {torch.float64: (torch.int64, 12), torch.float32: (torch.int32, 6)}
"""The integers that hold the bits of a float, and how many of its last bits are rounding."""


def median_distance(rows: Rows) -> float:
    """The median of ‖x_i - x_j‖ over i < j; with an even count, the mean of the middle two."""
    norms, n = rows.squared_norms, rows.n
    count = n * (n - 1) // 2
    middle = (count - 1) // 2, count // 2

    def squared(i: slice, j: slice) -> torch.Tensor:
        products = rows.products(i, j).double()
        return (norms[i, None] + norms[j] - 2.0 * products).clamp_(min=0.0)

    found = None
    if rows.x.device.type == "cpu" and count > SMALL_COUNT and can_bracket(count):
        found = _select(rows, middle, *bracket(squared, n, 0.5))
    lower, upper = found or order_statistics(squared, n, middle)
    return (math.sqrt(lower) + math.sqrt(upper)) / 2


def _select(
    rows: Rows, positions: tuple[int, int], low: float, high: float
) -> tuple[float, float] | None:
    """The squared distances at the positions if both lie in [low, high], in one compiled pass."""
    from repscape.compute.compiled_ranks import collect_between
    from repscape.compute.compiled_tiles import flat_rows

    norms = rows.squared_norms.numpy()
    room = np.empty(KEPT_VALUES + TILE_ROWS)
    below = held = 0
    for i, j in upper_tiles(rows.n):
        products = flat_rows(rows.products(i, j))
        under, inside = collect_between(
            *products, norms[i], norms[j], i == j, low, high, room[held:]
        )
        if inside < 0:
            return None
        below, held = below + under, held + inside
    first, second = (position - below for position in positions)
    if first < 0 or second >= held:
        return None
    return pick(torch.from_numpy(room[:held]), (first, second))


def settle(distances: torch.Tensor) -> torch.Tensor:
    """Round away the last bits, which are noise of the products that distances come from.

    Distances that agree but for rounding become equal, so that true ties (integer or binary
    features, sparse rows) are ties whatever the order in which products were summed.
    """
    integers, bits = _NOISE_BITS[distances.dtype]
    half, mask = 1 << (bits - 1), -(1 << bits)
    return distances.contiguous().view(integers).add(half).bitwise_and_(mask).view(distances.dtype)


def condensed(distance: DistanceTile, n: int) -> torch.Tensor:
    """The settled entries above the diagonal, row by row: (n(n-1)/2,).

    They are formed tile by tile, so that little is held beside them.
    """
    entries = None
    for i, j in upper_tiles(n):
        tile = settle(distance(i, j))
        if entries is None:
            entries = mapped_empty((n * (n - 1) // 2,), tile.dtype, tile.device)
        for row, part in zip(range(i.start, i.stop), tile, strict=True):
            first = max(j.start, row + 1)
            # So many entries lie above the diagonal in the rows before, and in this one.
            start = row * (2 * n - row - 1) // 2 + first - row - 1
            entries[start : start + j.stop - first] = part[first - j.start :]
    assert entries is not None
    return entries


def average_ranks(distance: DistanceTile, n: int) -> torch.Tensor:
    """The n×n matrix of average ranks (from 1) of the entries above the diagonal, float32.

    For n ≤ `EXACT_RANK_ROWS`; symmetric, with a zero diagonal. About 8 n² bytes are
    held meanwhile, the result included.
    """
    of_pair = _ranks_of(condensed(distance, n))
    found = mapped_empty((n, n), torch.float32, of_pair.device)
    stop = 0
    for row in range(n):
        start, stop = stop, stop + n - 1 - row
        found[row, row + 1 :] = of_pair[start:stop]
        found[row + 1 :, row] = of_pair[start:stop]
    found.fill_diagonal_(0.0)
    del of_pair
    if n >= _COMPILED_ROWS:
        return_freed()
    return found


def _ranks_of(values: torch.Tensor) -> torch.Tensor:
    """The average rank of each value, (m,), at least float32; many on the CPU are written over."""
    if values.device.type == "cpu" and 2 * len(values) >= _COMPILED_ROWS**2:
        from repscape.compute.compiled_ranks import rank_in_place

        entries = values.numpy()
        rank_in_place(np.argsort(entries), entries)
        return values
    ordered, order = values.sort()
    _, inverse, counts = torch.unique_consecutive(ordered, return_inverse=True, return_counts=True)
    mean_rank = counts.cumsum(0).double() - (counts.double() - 1.0) / 2.0
    ranks = torch.empty(len(values), dtype=torch.float32, device=values.device)
    ranks[order] = mean_rank[inverse].float()
    return ranks


class BinnedRanks:
    """Maps distances to the mean rank of their bin, within `RANK_ERROR` of exact Spearman.

    Replacing ranks by bin means removes, of the variance of the ranks, at most the share
    w² = Σ p³ over the bins that hold more than one value, p being each bin's share of all
    distances. A Spearman correlation changes by at most w_x + w_y + w_x w_y; `error` is w.
    """

    def __init__(self, distance: DistanceTile, n: int) -> None:
        def settled(i: slice, j: slice) -> torch.Tensor:
            return settle(distance(i, j))

        self.edges = _quantile_edges(settled, n)
        for _ in range(5):
            counts, lowest, highest = histogram(settled, n, self.edges)
            self.error = _within_bin_share(self.edges, counts, lowest, highest)
            if 2 * self.error + self.error**2 <= RANK_ERROR:
                break
            self.edges = _split_heavy(self.edges, counts, lowest, highest)
        else:
            raise UndefinedScoreError(
                f"the ranks of {n * (n - 1) // 2} distances cannot be binned within {RANK_ERROR}: "
                "the distances span too many orders of magnitude; compare fewer samples "
                f"(exact ranks up to n={EXACT_RANK_ROWS})"
            )
        self.ranks = counts.cumsum(0).double() - (counts.double() - 1.0) / 2.0

    @classmethod
    def of(cls, edges: torch.Tensor, ranks: torch.Tensor) -> BinnedRanks:
        """The map with these upper edges of bins and mean ranks, found before."""
        found = object.__new__(cls)
        found.edges, found.ranks = edges, ranks
        return found

    def __call__(self, distances: torch.Tensor) -> torch.Tensor:
        """The ranks, float64, of distances from the same matrix."""
        return self.ranks[torch.bucketize(settle(distances), self.edges)]


def _quantile_edges(distance: DistanceTile, n: int) -> torch.Tensor:
    """Upper edges of bins (previous edge, edge] that hold about equally many sampled distances."""
    values = sampled_entries(distance, n, 3 * SAMPLED_ROWS)
    at = torch.linspace(0, len(values) - 1, min(RANK_BINS, len(values)), device=values.device)
    edges = values[at.long()]
    tied = edges[1:][edges[1:] == edges[:-1]]
    # A value with many ties gets a bin of its own.
    return distinct(torch.cat([edges, torch.nextafter(tied, tied - 1)]))


def _bin_ends(
    edges: torch.Tensor, lowest: float, highest: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """The smallest and the largest value that each bin can hold."""
    low, high = edges.new_tensor([lowest]), edges.new_tensor([highest])
    first = torch.cat([low, torch.nextafter(edges, edges + 1)])
    return first, torch.cat([edges, torch.maximum(high, edges[-1:])])


def _within_bin_share(
    edges: torch.Tensor, counts: torch.Tensor, lowest: float, highest: float
) -> float:
    """An upper bound of w: the root of the share of the ranks' variance that lies within bins."""
    shares = counts.double() / counts.sum()
    first, last = _bin_ends(edges, lowest, highest)
    single = first >= last
    within = float(shares[~single].pow(3).sum())
    total = 1.0 - float(shares[single].pow(3).sum())
    if total <= 0.0:
        raise UndefinedScoreError("all distances are equal, so their ranks do not vary")
    return math.sqrt(within / total)


def _split_heavy(
    edges: torch.Tensor, counts: torch.Tensor, lowest: float, highest: float
) -> torch.Tensor:
    """Split every bin with more than its part of the distances into equally wide ones."""
    target = int(counts.sum()) / RANK_BINS
    first, last = _bin_ends(edges, lowest, highest)
    pieces = [edges]
    for position in (counts > 2 * target).nonzero()[:, 0].tolist():
        parts = math.ceil(int(counts[position]) / target)
        steps = torch.linspace(0, 1, parts + 1, dtype=torch.float64, device=edges.device)
        low, high = first[position].double(), last[position].double()
        pieces.append((low + (high - low) * steps).to(edges.dtype))
    return distinct(torch.cat(pieces))
