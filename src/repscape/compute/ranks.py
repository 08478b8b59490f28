"""Order statistics of the n(n-1)/2 entries of a distance matrix that is never built whole.

The median is exact at any n. Average ranks are exact up to `EXACT_RANK_ROWS` samples; beyond,
distances are mapped to the mean rank of the narrow bin that they fall into, with bins fitted to
quantiles and refined until the stated bound on a Spearman correlation holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch

from repscape.compute.rows import Rows
from repscape.errors import UndefinedScoreError

EXACT_RANK_ROWS = 4096
"""Up to this n ranks are exact in float32 (half-integers below 2²³)."""
RANK_BINS = 2**17
RANK_ERROR = 1e-4
"""Beyond `EXACT_RANK_ROWS`: the most by which binning may change a Spearman correlation."""
_TILE = 1024
_BRACKET_ROWS = 2048

DistanceTile = Callable[[slice, slice], torch.Tensor]
"""The distances between samples i and samples j."""


def median_distance(rows: Rows) -> float:
    """The median of ‖x_i - x_j‖ over i < j; with an even count, the mean of the middle two."""
    norms = rows.squared_norms

    def squared(i: slice, j: slice) -> torch.Tensor:
        products = rows.products(i, j).double()
        return (norms[i, None] + norms[j] - 2.0 * products).clamp_(min=0.0)

    count = rows.n * (rows.n - 1) // 2
    middle = ((count - 1) // 2, count // 2)
    lower, upper = _order_statistics(squared, rows.n, middle)
    return (math.sqrt(lower) + math.sqrt(upper)) / 2


def average_ranks(distance: DistanceTile, n: int) -> torch.Tensor:
    """The n×n matrix of average ranks (from 1) of the entries above the diagonal, float32.

    For n ≤ `EXACT_RANK_ROWS`; symmetric, with a zero diagonal.
    """
    everything = slice(0, n)
    whole = distance(everything, everything)
    upper = torch.ones(n, n, dtype=torch.bool, device=whole.device).triu_(1)
    values, order = whole[upper].sort()
    _, inverse, counts = torch.unique_consecutive(values, return_inverse=True, return_counts=True)
    last = counts.cumsum(0).double()
    mean_rank = last - (counts.double() - 1.0) / 2.0
    condensed = torch.empty(len(values), dtype=torch.float32, device=whole.device)
    condensed[order] = mean_rank[inverse].float()
    ranks = torch.zeros(n, n, dtype=torch.float32, device=whole.device)
    ranks[upper] = condensed
    return ranks + ranks.T


class BinnedRanks:
    """Maps distances to the mean rank of their bin, within `RANK_ERROR` of exact Spearman.

    Replacing ranks by bin means removes, of the variance of the ranks, at most the share
    w² = Σ p³ over the bins that hold more than one value, p being each bin's share of all
    distances. A Spearman correlation changes by at most w_x + w_y + w_x w_y.
    """

    def __init__(self, distance: DistanceTile, n: int) -> None:
        self._edges = _quantile_edges(distance, n)
        for _ in range(5):
            counts = _histogram(distance, n, self._edges)
            self.error = _within_bin_share(self._edges, counts)
            if 2 * self.error + self.error**2 <= RANK_ERROR:
                break
            self._edges = _split_heavy(self._edges, counts)
        else:
            raise UndefinedScoreError(
                f"the ranks of {n * (n - 1) // 2} distances cannot be binned within {RANK_ERROR}: "
                "the distances span too many orders of magnitude; compare fewer samples "
                f"(exact ranks up to n={EXACT_RANK_ROWS})"
            )
        last = counts.cumsum(0).double()
        self._ranks = last - (counts.double() - 1.0) / 2.0

    def __call__(self, distances: torch.Tensor) -> torch.Tensor:
        """The ranks, float64, of distances from the same matrix."""
        return self._ranks[torch.bucketize(distances.contiguous(), self._edges)]


def _order_statistics(
    distance: DistanceTile, n: int, positions: tuple[int, int]
) -> tuple[float, float]:
    """The sorted entries above the diagonal at two adjacent (or equal) positions, from 0."""
    count = n * (n - 1) // 2
    low, high = -math.inf, math.inf
    if n > 2 * _BRACKET_ROWS:
        low, high = _bracket(distance, n, (positions[0] + 0.5) / count)
    below, inside = 0, []
    for tile in _upper_entries(distance, n):
        below += int((tile < low).sum())
        inside.append(tile[(tile >= low) & (tile <= high)])
    values = torch.cat(inside).sort().values
    first, second = (position - below for position in positions)
    if first < 0 or second >= len(values):
        # The sample misled: do without a bracket.
        values = torch.cat(list(_upper_entries(distance, n))).sort().values
        first, second = positions
    return float(values[first]), float(values[second])


def _bracket(distance: DistanceTile, n: int, fraction: float) -> tuple[float, float]:
    values = _sampled_entries(distance, n, _BRACKET_ROWS)
    low, high = max(0.0, fraction - 0.02), min(1.0, fraction + 0.02)
    last = len(values) - 1
    return float(values[int(low * last)]), float(values[math.ceil(high * last)])


def _sampled_entries(distance: DistanceTile, n: int, rows: int) -> torch.Tensor:
    """Sorted distances of evenly spaced blocks of rows to evenly spaced blocks."""
    width = 64
    starts = torch.linspace(0, n - width, max(2, rows // width)).long().tolist()
    tiles = [
        distance(slice(i, i + width), slice(j, j + width)).flatten()
        for position, i in enumerate(starts)
        for j in starts[position + 1 :]
    ]
    return torch.cat(tiles).sort().values


def _upper_entries(distance: DistanceTile, n: int) -> Iterator[torch.Tensor]:
    for start in range(0, n, _TILE):
        i = slice(start, min(start + _TILE, n))
        for begin in range(start, n, _TILE):
            j = slice(begin, min(begin + _TILE, n))
            tile = distance(i, j)
            if i == j:
                above = torch.ones(tile.shape, dtype=torch.bool, device=tile.device).triu_(1)
                yield tile[above]
            else:
                yield tile.flatten()


def _quantile_edges(distance: DistanceTile, n: int) -> torch.Tensor:
    """Upper edges of bins (previous edge, edge] that hold about equally many sampled distances."""
    values = _sampled_entries(distance, n, 4 * _BRACKET_ROWS)
    at = torch.linspace(0, len(values) - 1, min(RANK_BINS, len(values)), device=values.device)
    edges = values[at.long()]
    tied = edges[1:][edges[1:] == edges[:-1]]
    # A value with many ties gets a bin of its own.
    return _distinct(torch.cat([edges, torch.nextafter(tied, tied - 1)]))


def _histogram(distance: DistanceTile, n: int, edges: torch.Tensor) -> torch.Tensor:
    counts = torch.zeros(len(edges) + 1, dtype=torch.int64, device=edges.device)
    for values in _upper_entries(distance, n):
        counts += torch.bincount(torch.bucketize(values, edges), minlength=len(counts))
    return counts


def _within_bin_share(edges: torch.Tensor, counts: torch.Tensor) -> float:
    """An upper bound of w: the root of the share of the ranks' variance that lies within bins."""
    shares = counts.double() / counts.sum()
    single = torch.zeros_like(shares, dtype=torch.bool)
    single[1:-1] = edges[1:] <= torch.nextafter(edges[:-1], edges[:-1] + 1)
    within = float(shares[~single].pow(3).sum())
    total = 1.0 - float(shares[single].pow(3).sum())
    if total <= 0.0:
        raise UndefinedScoreError("all distances are equal, so their ranks do not vary")
    return math.sqrt(within / total)


def _split_heavy(edges: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Split every bin with more than its part of the distances into equally wide ones."""
    target = int(counts.sum()) / RANK_BINS
    pieces = [edges]
    for bin_index in (counts > 2 * target).nonzero()[:, 0].tolist():
        parts = math.ceil(int(counts[bin_index]) / target)
        low = edges[bin_index - 1] if bin_index > 0 else edges[0].clamp(max=0.0)
        high = edges[bin_index] if bin_index < len(edges) else 2 * edges[-1]
        steps = torch.linspace(0, 1, parts + 1, dtype=edges.dtype, device=edges.device)
        pieces.append(low + (high - low) * steps)
    return _distinct(torch.cat(pieces))


def _distinct(values: torch.Tensor) -> torch.Tensor:
    """The different values, sorted."""
    ordered = values.sort().values
    new = torch.ones(len(ordered), dtype=torch.bool, device=ordered.device)
    new[1:] = ordered[1:] != ordered[:-1]
    return ordered[new]
