"""What the measures of the Gram family share: a prepared matrix, the pair and the sweep route."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import torch
from typing_extensions import override

from repscape.compute.gram import (
    DENSE_ROWS,
    PairSums,
    dense_pair_sums,
    group_sums,
    sums_of_groups,
    sweep,
    tile_side,
)
from repscape.compute.matrix import Matrix
from repscape.compute.memory import DEFAULT_MEMORY_LIMIT, parse_bytes
from repscape.compute.moments import (
    linear_pair_sums,
    moments_bytes,
    moments_cost,
    sweep_cost,
)
from repscape.compute.permuted import own_sums, permuted_sums
from repscape.compute.permuted_pairs import (
    each_order,
    permuted_pair_sums,
    worthwhile,
)
from repscape.compute.tile_groups import Division
from repscape.errors import RepscapeError, UndefinedScoreError
from repscape.measures.base import Measure, Outcome, Request, Sweep
from repscape.measures.tiled import Sums, Tiled

_SUM_ROUNDING = 64 * torch.finfo(torch.float64).eps
_ENTRY_ROUNDING = 8 * torch.finfo(torch.float64).eps


class GramMeasure(Measure[Matrix], Tiled[Matrix]):
    """A measure that is a function of `PairSums` of (A, B), (A, A) and (B, B)."""

    @property
    @override
    def sweep(self) -> Sweep | None:
        return gram_sweep

    def state_bytes(self, n: int, d: int) -> int:
        """The values are not copied: a matrix is known by its rows' norms and a recipe."""
        return 32 * n

    @override
    def permute(self, state: Matrix, order: torch.Tensor) -> Matrix:
        return state.permute(order)

    def subset(self, state: Matrix, rows: torch.Tensor) -> Matrix | None:
        """A part of the whole matrix, where its entries depend on their two samples only."""
        if state.n > DENSE_ROWS or not self.entries_stand_alone:
            return None
        return state.subset(rows)

    @property
    def entries_stand_alone(self) -> bool:
        """Whether an entry is the same, but for what centring takes away, without other samples."""
        return True

    def null_bytes(self, n: int, d: int) -> int:
        """The whole matrix; a linear kernel of many samples needs less and does not build it."""
        return 8 * n * n

    def permuted_scores(
        self, a: Matrix, b: Matrix, orders: torch.Tensor, memory_limit: int
    ) -> torch.Tensor:
        """Only the sums of the pair change with the order; those of each side are formed once."""
        aa, bb = own_sums(a, memory_limit), own_sums(b, memory_limit)
        scores = [self.score(ab, aa, bb) for ab in permuted_sums(a, b, orders, memory_limit)]
        return torch.tensor(scores, dtype=torch.float64)

    def permuted_pairs(
        self,
        states: Sequence[Matrix],
        pairs: Sequence[tuple[int, int]],
        orders: torch.Tensor,
        memory_limit: int,
    ) -> list[torch.Tensor | RepscapeError]:
        """One product for all pairs, where whole matrices fit and are the cheapest route."""
        used = sorted({index for pair in pairs for index in pair})
        if not worthwhile([states[index] for index in used], pairs, memory_limit):
            return super().permuted_pairs(states, pairs, orders, memory_limit)
        own = {index: own_sums(states[index], memory_limit) for index in used}
        found: dict[tuple[int, int], torch.Tensor | RepscapeError] = {}
        for (a, b), sums in permuted_pair_sums(states, pairs, orders, memory_limit):
            try:
                found[a, b] = self.scores(sums, own[a], own[b])
            except RepscapeError as reason:
                found[a, b] = reason
        return [found[pair] for pair in pairs]

    def scores(self, ab: PairSums, aa: PairSums, bb: PairSums) -> torch.Tensor:
        """`score` for sums of the pair in many orders, (R,); see `permuted_pair_sums`."""
        scores = [self.score(one, aa, bb) for one in each_order(ab)]
        return torch.tensor(scores, dtype=torch.float64)

    @override
    def takes_tiles(self, n: int, widths: Sequence[int]) -> bool:
        return True

    @override
    def tile_side(self, n: int, widths: Sequence[int], memory_limit: int) -> int:
        return tile_side(n, len(widths), max(widths), memory_limit)

    @override
    def tile_sums(
        self, request: Request, division: Division, group: int, memory_limit: int
    ) -> dict[str, torch.Tensor]:
        pairs = _with_selfs(request.pairs, range(len(request.states)))
        return group_sums(request.states, pairs, division, group, memory_limit)

    @override
    def scores_of_sums(self, request: Request, groups: Iterable[Sums]) -> list[Outcome]:
        at = range(len(request.states))
        sums = sums_of_groups(request.states, _with_selfs(request.pairs, at), groups)
        return [_outcome(request, pair, at, sums) for pair in request.pairs]

    @override
    def prepare_fitted(self, x: torch.Tensor, fitted: Sums) -> Matrix:
        return self.prepare(x)

    def score(self, ab: PairSums, aa: PairSums, bb: PairSums) -> float:
        """The score, from the sums of the pair and of each side with itself."""
        raise NotImplementedError

    @override
    def compare(self, a: Matrix, b: Matrix) -> float:
        if a.n <= DENSE_ROWS:
            return self.score(dense_pair_sums(a, b), dense_pair_sums(a, a), dense_pair_sums(b, b))
        matrices = [a] if a is b else [a, b]
        request = Request(self, matrices, [(0, len(matrices) - 1)])
        [[outcome]] = gram_sweep([request], parse_bytes(DEFAULT_MEMORY_LIMIT))
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def biased_hsic(s: PairSums) -> float:
    """tr(K H L H) from the sums of two kernels; a pivot does not change it."""
    everything = s.off + s.diagonal
    row_products = s.rows + s.cross_ab + s.cross_ba + s.diagonal
    totals = (s.total_a + s.trace_a) * (s.total_b + s.trace_b)
    return everything - 2.0 * row_products / s.n + totals / s.n**2


def debiased_hsic(s: PairSums) -> float:
    """The U-statistic of Song et al. 2012, equation 5; a pivot does not change it."""
    n = s.n
    totals = s.total_a * s.total_b / ((n - 1) * (n - 2))
    return (s.off + totals - 2.0 * s.rows / (n - 2)) / (n * (n - 3))


def centred_trace(s: PairSums) -> float:
    """tr(H K H) from the sums of a kernel with itself."""
    return s.trace_a - (s.total_a + s.trace_a) / s.n


def expected_alignment(a: Matrix, b: Matrix) -> float:
    """The mean of the biased HSIC(K, L) / √(HSIC(K, K) HSIC(L, L)) over all orders of b.

    tr K̃ tr L̃ / ((n - 1) ‖K̃‖ ‖L̃‖) for the centred kernels K̃ and L̃.
    """
    aa, bb = (own_sums(m, parse_bytes(DEFAULT_MEMORY_LIMIT)) for m in (a, b))
    traces = centred_trace(aa) * centred_trace(bb)
    norms = math.sqrt(biased_hsic(aa)) * math.sqrt(biased_hsic(bb))
    return traces / (a.n - 1) / norms


def biased_rounding(s: PairSums) -> float:
    """What of `biased_hsic` may be rounding."""
    return _SUM_ROUNDING * (abs(s.off) + abs(s.diagonal))


def off_diagonal_rounding(s: PairSums) -> float:
    """What of Σ_{i≠j} A_ij B_ij may be rounding, of the sum and of entries near the pivots."""
    entries = (_ENTRY_ROUNDING * s.n) ** 2 * abs(s.pivot_a * s.pivot_b)
    return _SUM_ROUNDING * abs(s.off) + entries


def debiased_rounding(s: PairSums) -> float:
    """What of `debiased_hsic` may be rounding."""
    return off_diagonal_rounding(s) / (s.n * (s.n - 3))


def gram_sweep(requests: Sequence[Request], memory_limit: int) -> list[list[Outcome]]:
    """Score the pairs of all requests; every tile of every representation is formed once."""
    unique: dict[Hashable, Matrix] = {}
    for request in requests:
        unique.update({matrix.key: matrix for matrix in request.states})
    matrices = list(unique.values())
    position = {key: index for index, key in enumerate(unique)}
    places = [[position[matrix.key] for matrix in request.states] for request in requests]
    groups = [_with_selfs(request.pairs, at) for request, at in zip(requests, places, strict=True)]
    sums = _all_sums(matrices, groups, memory_limit)
    return [
        [_outcome(request, pair, at, found) for pair in request.pairs]
        for request, at, found in zip(requests, places, sums, strict=True)
    ]


def _with_selfs(wanted: Sequence[tuple[int, int]], at: Sequence[int]) -> list[tuple[int, int]]:
    pairs = {(at[a], at[b]) for a, b in wanted}
    return sorted(pairs | {(index, index) for pair in pairs for index in pair})


def _all_sums(
    matrices: Sequence[Matrix], groups: Sequence[list[tuple[int, int]]], memory_limit: int
) -> list[dict[tuple[int, int], PairSums]]:
    rows = [matrix.rows for matrix in matrices if matrix.rows is not None]
    if len(rows) == len(matrices) and all(m.linear and m.rows is not None for m in matrices):
        needed = {pair for group in groups for pair in group}
        widest = max(needed, key=lambda pair: rows[pair[0]].d * rows[pair[1]].d)
        fits = moments_bytes(rows, [widest]) <= memory_limit
        if fits and moments_cost(rows, needed) < sweep_cost(rows):
            found = linear_pair_sums(matrices, sorted(needed), memory_limit)
            return [found for _ in groups]
    return sweep(matrices, groups, memory_limit)


def _outcome(request: Request, pair: tuple[int, int], at: Sequence[int], sums: Any) -> Outcome:
    a, b = (at[index] for index in pair)
    measure = request.measure.core
    assert isinstance(measure, GramMeasure)
    try:
        return measure.score(sums[a, b], sums[a, a], sums[b, b])
    except UndefinedScoreError as reason:
        return reason
