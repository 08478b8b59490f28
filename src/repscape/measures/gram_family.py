"""What the measures of the Gram family share: a prepared matrix, the pair and the sweep route."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from repscape.compute.gram import DENSE_ROWS, Matrix, PairSums, dense_pair_sums, sweep
from repscape.compute.memory import DEFAULT_MEMORY_LIMIT, parse_bytes
from repscape.compute.moments import linear_pair_sums, moments_cost, sweep_cost
from repscape.errors import UndefinedScoreError
from repscape.measures.base import Measure, Outcome, Request, Sweep


class GramMeasure(Measure[Matrix]):
    """A measure that is a function of `PairSums` of (A, B), (A, A) and (B, B)."""

    @property
    def sweep(self) -> Sweep:  # noqa: D102
        return gram_sweep

    def score(self, ab: PairSums, aa: PairSums, bb: PairSums) -> float:
        """The score, from the sums of the pair and of each side with itself."""
        raise NotImplementedError

    def compare(self, a: Matrix, b: Matrix) -> float:  # noqa: D102
        if a.n <= DENSE_ROWS:
            return self.score(dense_pair_sums(a, b), dense_pair_sums(a, a), dense_pair_sums(b, b))
        matrices = [a] if a is b else [a, b]
        request = Request(self, matrices, [(0, len(matrices) - 1)])
        [[outcome]] = gram_sweep([request], parse_bytes(DEFAULT_MEMORY_LIMIT))
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def gram_sweep(requests: Sequence[Request], memory_limit: int) -> list[list[Outcome]]:
    """Score the pairs of all requests; every tile of every representation is formed once."""
    unique: dict[int, Matrix] = {}
    for request in requests:
        unique.update({id(matrix): matrix for matrix in request.states})
    matrices = list(unique.values())
    position = {key: index for index, key in enumerate(unique)}
    groups = [_with_selfs(request, position) for request in requests]
    sums = _all_sums(matrices, groups, memory_limit)
    return [
        [_outcome(request, pair, position, found) for pair in request.pairs]
        for request, found in zip(requests, sums, strict=True)
    ]


def _with_selfs(request: Request, position: dict[int, int]) -> list[tuple[int, int]]:
    at = [position[id(matrix)] for matrix in request.states]
    pairs = {(at[a], at[b]) for a, b in request.pairs}
    return sorted(pairs | {(index, index) for pair in pairs for index in pair})


def _all_sums(
    matrices: Sequence[Matrix], groups: Sequence[list[tuple[int, int]]], memory_limit: int
) -> list[dict[tuple[int, int], PairSums]]:
    rows = [matrix.rows for matrix in matrices if matrix.rows is not None]
    if len(rows) == len(matrices) and all(m.linear and m.rows is not None for m in matrices):
        needed = {pair for group in groups for pair in group}
        if moments_cost(rows, needed) < sweep_cost(rows):
            found = linear_pair_sums(matrices, sorted(needed), memory_limit)
            return [found for _ in groups]
    return sweep(matrices, groups, memory_limit)


def _outcome(
    request: Request, pair: tuple[int, int], position: dict[int, int], sums: Any
) -> Outcome:
    a, b = (position[id(request.states[index])] for index in pair)
    measure = request.measure.core
    assert isinstance(measure, GramMeasure)
    try:
        return measure.score(sums[a, b], sums[a, a], sums[b, b])
    except UndefinedScoreError as reason:
        return reason
