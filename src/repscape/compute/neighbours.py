"""The exact k nearest neighbours of every row: one table for all that needs neighbours.

Right means equal to float64 brute force with the distances of `repscape.compute.exact`, ordered
by (distance, index), the sample itself left out by its index. The work is done in float32:

1. float32 products of centred (Euclidean) or normalised (cosine) rows list a few more
   candidates than k per row, by a rigorous lower bound of the distance (`candidates`,
   `operands`);
2. the exact distances of the candidates order them;
3. a row whose k-th exact distance is not below the bound on everything unlisted is searched
   again in float64: products first, then exact distances of whatever the float64 bound cannot
   rule out.

So neither the tiles, nor the threads, nor the device can change the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import get_args

import torch

from repscape.compute.arrays import as_tensor, check_finite, row_blocks, within_range
from repscape.compute.candidates import Candidates, from_whole_rows, plan_tiles, sweep
from repscape.compute.device import on_capable_device
from repscape.compute.equal_rows import first_equal_rows
from repscape.compute.exact import ExactDistances, Metric
from repscape.compute.memory import parse_bytes, show_bytes
from repscape.compute.operands import Operands
from repscape.compute.precision import full_precision
from repscape.compute.threads import in_ranges
from repscape.errors import (
    InvalidParameterError,
    MemoryLimitError,
    TooFewSamplesError,
    UndefinedScoreError,
    did_you_mean,
)

DEFAULT_MEMORY_LIMIT = "1GiB"

SMALL_WORK = 2**24
"""Up to this many exact feature differences, tensors are faster than loading compiled code."""
SMALL_ROWS = 4096
_FLOAT64_TILE = 1024


@dataclass(frozen=True, eq=False)
class NeighbourTable:
    """The k nearest neighbours of n samples.

    Attributes
    ----------
    indices
        (n, k) int32, on the CPU. Row i lists the neighbours of sample i by (distance, index),
        without i.
    distances
        (n, k) float64: their distances, ascending along each row.
    metric
        "euclidean", "cosine" or "precomputed".
    """

    indices: torch.Tensor
    distances: torch.Tensor
    metric: str

    @property
    def n(self) -> int:
        """The number of samples."""
        return int(self.indices.shape[0])

    @property
    def k(self) -> int:
        """The number of neighbours of each sample."""
        return int(self.indices.shape[1])

    @cached_property
    def sets(self) -> torch.Tensor:
        """The neighbours by ascending index, (n, k) int32: what overlaps are counted on."""
        return self.indices.sort(dim=1).values

    def first(self, k: int) -> NeighbourTable:
        """The table of the k nearest of these neighbours."""
        if not 1 <= k <= self.k:
            raise InvalidParameterError(
                f"k={k}: this table holds {self.k} neighbours, so k is from 1 to {self.k}"
            )
        if k == self.k:
            return self
        if k not in self._firsts:
            # Contiguous, as the compiled loops take them; asked for by several measures.
            first = (self.indices[:, :k].contiguous(), self.distances[:, :k].contiguous())
            self._firsts[k] = NeighbourTable(*first, self.metric)
        return self._firsts[k]

    @cached_property
    def _firsts(self) -> dict[int, NeighbourTable]:
        return {}

    def subset(self, rows: torch.Tensor, k: int) -> NeighbourTable | None:
        """The table of the k nearest among some samples, (m,) ascending.

        None if some sample has fewer than k of its listed neighbours among them, or if no
        distance is left.
        """
        rows = rows.cpu()
        place = torch.full((self.n,), -1, dtype=torch.int32)
        place[rows] = torch.arange(len(rows), dtype=torch.int32)
        renamed = place[self.indices[rows].long()]
        kept = renamed >= 0
        if int(kept.sum(dim=1).min()) < k:
            return None
        # Those that are left come first, in their order.
        first = (~kept).to(torch.int8).sort(dim=1, stable=True).indices[:, :k]
        distances = self.distances[rows].gather(1, first)
        if not bool((distances > 0).any()):
            return None
        return NeighbourTable(renamed.gather(1, first), distances, self.metric)

    def permute(self, order: torch.Tensor) -> NeighbourTable:
        """The table of the same samples in another order: new sample i is old sample order[i].

        Neighbours at equal distances keep the order that they have here.
        """
        place = torch.empty(self.n, dtype=torch.int32)
        place[order] = torch.arange(self.n, dtype=torch.int32)
        indices = place[self.indices[order].long()]
        return NeighbourTable(indices, self.distances[order], self.metric)


def neighbours(
    x: torch.Tensor,
    k: int,
    metric: Metric = "euclidean",
    memory_limit: str | float = DEFAULT_MEMORY_LIMIT,
) -> NeighbourTable:
    """Find the k nearest neighbours of every row of x, exactly.

    Parameters
    ----------
    x
        (n, d) floating-point values, finite; float16 and bfloat16 are upcast. On a CUDA device
        the search runs there; on a device without float64 it moves to the CPU, with a warning.
    k
        How many neighbours, 1 ≤ k < n.
    metric
        "euclidean", or "cosine" (1 − cos, from 0 to 2).
    memory_limit
        Bytes held beyond x and the table itself; changes the speed, never the table.

    Raises
    ------
    TooFewSamplesError
        k ≥ n.
    UndefinedScoreError
        Under the cosine metric, a zero row, or a single feature (all cosines are ±1, all ties).
    NonFiniteError
        NaN or infinite values.
    InvalidParameterError
        k < 1, or an unknown metric.
    MemoryLimitError
        Not even the smallest tiles fit.
    """
    _check_k(k, int(x.shape[0]))
    if metric not in get_args(Metric):
        raise InvalidParameterError(
            f"metric={metric!r} is not a metric of neighbours; "
            + did_you_mean(str(metric), get_args(Metric))
        )
    check_finite(x, "x")
    if metric == "cosine" and x.shape[1] == 1:
        raise UndefinedScoreError(
            "with a single feature every cosine is 1 or -1, so no neighbour is nearer than "
            "another: use metric='euclidean'"
        )
    x, unscale = within_range(on_capable_device(as_tensor(x)).contiguous())
    with full_precision():
        search = _Search(x, k, metric, parse_bytes(memory_limit))
        for candidates in search.candidates():
            search.resolve(candidates)
        search.repair()
    distances = search.distances if metric == "cosine" else search.distances * unscale
    return NeighbourTable(search.indices, distances, metric)


def neighbours_of_distances(
    distances: torch.Tensor, k: int, memory_limit: str | float = DEFAULT_MEMORY_LIMIT
) -> NeighbourTable:
    """Find the k nearest neighbours of every row of an n×n matrix of distances.

    The diagonal is ignored. Raises as `neighbours` does, and `InvalidParameterError` if the
    matrix is not square.
    """
    d = as_tensor(distances)
    if d.ndim != 2 or d.shape[0] != d.shape[1]:
        raise InvalidParameterError(
            f"precomputed distances are n×n, but the values given have shape {tuple(d.shape)}"
        )
    n = int(d.shape[0])
    _check_k(k, n)
    check_finite(d, "the distance matrix")
    table = NeighbourTable(*_empty_table(n, k), "precomputed")
    for i in row_blocks(n, _dense_rows(n, parse_bytes(memory_limit))):
        rows = d[i].double().clone()
        rows.diagonal(offset=i.start).fill_(torch.inf)
        table.distances[i], table.indices[i] = smallest(rows, k)
    return table


def overlap_counts(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Count the common neighbours of every sample: |A_i ∩ B_i|, (n,) int64.

    `a` and `b` are (n, k) int32 with ascending rows and no repeats (`NeighbourTable.sets`).
    """
    if a.numel() * b.shape[1] <= SMALL_WORK // 64:
        return (a[:, :, None] == b[:, None, :]).sum(dim=(1, 2))
    from repscape.compute.compiled import count_common

    out = torch.empty(a.shape[0], dtype=torch.int64)
    count_common(a.contiguous().numpy(), b.contiguous().numpy(), out.numpy())
    return out


def smallest(values: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the k smallest values of every row and their columns, by (value, column)."""
    limit = values.kthvalue(k, dim=1, keepdim=True).values
    below = values < limit
    level = values == limit
    # Of the values at the limit, the first columns fill the places that are left.
    level &= level.cumsum(dim=1, dtype=torch.int32) <= k - below.sum(dim=1, keepdim=True)
    columns = (below | level).nonzero()[:, 1].view(-1, k)
    ordered, places = values.gather(1, columns).sort(dim=1, stable=True)
    return ordered, columns.gather(1, places)


class _Search:
    """One search: the table as far as it is known, and the rows that are still in doubt."""

    def __init__(self, x: torch.Tensor, k: int, metric: Metric, budget: int) -> None:
        n = int(x.shape[0])
        self.k = k
        # More than k, so that ties and rounding at rank k rarely ask for a second look.
        self.keep = min(n - 1, k + 16 + k // 8)
        on_cpu = x.device.type == "cpu"
        small = n <= SMALL_ROWS and n * self.keep * int(x.shape[1]) <= SMALL_WORK
        self.compiled = on_cpu and not small
        self.exact = ExactDistances.of(x, metric, self.compiled)
        self.operands = Operands(x, self.exact.squared_norms, self._order(n, x.device))
        self.budget = budget - 40 * n
        self.indices, self.distances = _empty_table(n, k)
        self._doubtful: list[torch.Tensor] = []

    def candidates(self) -> Iterator[Candidates]:
        """The candidates of all rows."""
        if self.compiled:
            plan = plan_tiles(self.operands, self.keep, self.budget * 3 // 4)
            return sweep(self.operands, self.keep, plan)
        rows = _dense_rows(self.operands.n, self.budget)
        return from_whole_rows(self.operands, self.keep, rows)

    def resolve(self, candidates: Candidates) -> None:
        """Order candidates by their exact distances; note the rows where others may be nearer."""
        if self.compiled:
            self._resolve_compiled(candidates)
            return
        rows_at_a_time = max(1, self.budget // 4 // (80 * self.keep))
        order = self.operands.order
        for block in row_blocks(len(candidates.beyond), rows_at_a_time):
            listed = order[candidates.positions[block].long()].sort(dim=1).values
            rows = order[candidates.start + block.start : candidates.start + block.stop]
            left = rows.repeat_interleave(self.keep)
            distances = self.exact.pairs(left, listed.view(-1)).view(listed.shape)
            distances, places = distances.sort(dim=1, stable=True)
            distances = distances[:, : self.k]
            here = rows.cpu()
            self.distances[here] = distances.cpu()
            self.indices[here] = listed.gather(1, places[:, : self.k]).int().cpu()
            sure = self.operands.to_squared(distances[:, -1]) < candidates.beyond[block]
            self._doubtful.append(rows[~sure])

    def _resolve_compiled(self, candidates: Candidates) -> None:
        from repscape.compute.compiled_candidates import order_candidates

        operands, exact = self.operands, self.exact
        here = slice(candidates.start, candidates.start + len(candidates.beyond))
        none = torch.empty(0, dtype=torch.float64)
        rows = operands.order[here]
        sure = torch.empty(len(rows), dtype=torch.bool)
        listed = (candidates.keys, candidates.positions, operands.order)
        bounds = (operands.floors[here], candidates.beyond)
        norms = none if exact.squared_norms is None else exact.squared_norms
        table = (self.indices, self.distances, sure)
        arrays = (exact.x, rows, *listed, *bounds, norms, *table)
        in_ranges(
            order_candidates,
            len(rows),
            self.keep,
            operands.scale,
            *(array.numpy() for array in arrays),
        )
        self._doubtful.append(rows[~sure])

    def repair(self) -> None:
        """Search the doubtful rows again in float64; what equal rows share is computed once."""
        doubtful = torch.cat(self._doubtful)
        if len(doubtful) == 0:
            return
        device = doubtful.device
        first = torch.from_numpy(first_equal_rows(self.exact.x)).to(device)
        distinct, kind = torch.unique(first, return_inverse=True)
        kinds, kind_of = torch.unique(kind[doubtful], return_inverse=True)
        limits = self.operands.to_squared(self.distances[doubtful.cpu(), -1].to(device))
        limits = torch.zeros(len(kinds), dtype=torch.float64, device=device).scatter_reduce(
            0, kind_of, limits, "amax"
        )
        # Equal rows see the same distances, and the same order of all but themselves.
        by_kind = kind_of.argsort(stable=True)
        ends = torch.bincount(kind_of, minlength=len(kinds)).cumsum(0).tolist()
        for block in row_blocks(len(kinds), _dense_rows(self.operands.n, self.budget // 4)):
            near = self._near_distances(distinct[kinds[block]], limits[block], distinct)
            distances, indices = smallest(near[:, kind], self.k + 1)
            members = by_kind[ends[block.start - 1] if block.start else 0 : ends[block.stop - 1]]
            for part in row_blocks(len(members), max(1, self.budget // 4 // (48 * self.k + 48))):
                which = kind_of[members[part]] - block.start
                self._put_without_self(doubtful[members[part]], distances[which], indices[which])

    def _put_without_self(
        self, rows: torch.Tensor, distances: torch.Tensor, indices: torch.Tensor
    ) -> None:
        """Fill in the table from the k + 1 nearest of each row, the row itself among them."""
        others = indices != rows[:, None]
        # Where k + 1 equal rows come before it, the last is one too many instead.
        others[others.all(dim=1), -1] = False
        here = rows.cpu()
        self.distances[here] = distances[others].view(-1, self.k).cpu()
        self.indices[here] = indices[others].view(-1, self.k).int().cpu()

    def _near_distances(
        self, rows: torch.Tensor, limits: torch.Tensor, columns: torch.Tensor
    ) -> torch.Tensor:
        """The exact distances from `rows` to those of `columns` within the limits; else ∞."""
        operands = self.operands
        positions = torch.empty_like(operands.order)
        positions[operands.order] = torch.arange(operands.n, device=rows.device)
        y, floor = operands.block64(positions[rows])
        near = torch.full(
            (len(rows), len(columns)), torch.inf, dtype=torch.float64, device=rows.device
        )
        for j in row_blocks(len(columns), _FLOAT64_TILE):
            other, other_floor = operands.block64(positions[columns[j]])
            lower = torch.addmm(other_floor, y, other.T, alpha=-2).add_(floor[:, None])
            at, column = (lower <= limits[:, None]).nonzero(as_tuple=True)
            near[at, column + j.start] = self.exact.pairs(rows[at], columns[j][column])
        return near

    def _order(self, n: int, device: torch.device) -> torch.Tensor:
        """The order of the sweep: shuffled, since lists of sorted data would never settle."""
        if not self.compiled:
            return torch.arange(n, device=device)
        return torch.randperm(n, generator=torch.Generator().manual_seed(0))


def _check_k(k: int, n: int) -> None:
    if k < 1:
        raise InvalidParameterError(f"k={k}: the number of neighbours is at least 1")
    if k >= n:
        raise TooFewSamplesError(
            f"k={k} neighbours need at least {k + 1} samples, but there are {n}: use k < {n}"
        )


def _empty_table(n: int, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    indices = torch.empty(n, k, dtype=torch.int32)
    return indices, torch.empty(n, k, dtype=torch.float64)


def _dense_rows(n: int, budget: int) -> int:
    """How many float64 rows of n columns, with what selecting from them takes, fit."""
    row_bytes = 48 * n
    if budget < row_bytes:
        raise MemoryLimitError(
            f"one row of distances between {n} samples takes {show_bytes(row_bytes)} to search, "
            f"but {show_bytes(max(budget, 0))} are left of memory_limit"
        )
    return min(n, budget // row_bytes)
