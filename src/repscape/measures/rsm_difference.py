"""RSM difference: the Euclidean distance between two dissimilarity matrices."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from typing_extensions import override

from repscape.compute.arrays import check_squares, row_blocks, with_safe_squares
from repscape.compute.gram import TILE_ROWS, PairSums
from repscape.compute.matrix import Matrix
from repscape.compute.permuted import own_sums, permuted_sums
from repscape.errors import RepscapeError, UndefinedScoreError
from repscape.measures.base import MEASURES, Measure, MeasureSpec, Outcome, Request, Sweep
from repscape.measures.gram_family import GramMeasure, gram_sweep
from repscape.measures.rdm import dissimilarities
from repscape.measures.tiled import Sums
from repscape.registry import Citation, parameter

_NEARLY_EQUAL = 1e-4


@MEASURES.register
@dataclass(frozen=True)
class RSMDifference(GramMeasure):
    """The norm of the difference of two dissimilarity matrices.

    √(Σ_{i<j} (D_ij - D'_ij)²): the Frobenius norm on the triangle i < j. Dissimilarities are
    Euclidean distances or 1 - cosine; precomputed, where the values given are the n×n matrix.
    """

    rdm: Literal["euclidean", "cosine", "precomputed"] = parameter(
        "euclidean", "dissimilarity of two samples; precomputed: the values are the n×n matrix"
    )

    spec: ClassVar = MeasureSpec(
        name="rsm_difference",
        version=2,
        family="Gram and RDM",
        kind="distance",
        range=(0.0, math.inf),
        symmetric=True,
        metric=True,
        invariances=frozenset({"orthogonal", "permutation", "translation"}),
        minimum_n=2,
        summary="norm of the difference of two dissimilarity matrices",
        formula="sqrt(sum over i<j of (D_ij - D'_ij)²)",
        cost="n²(d+d')/2",
        pitfalls=(
            "Grows with n, so values of different data sets do not compare. By Euclidean "
            "distances the larger representation decides: put `unit_norm` in front."
        ),
        citation=Citation(
            "Shahbazi et al. 2021",
            "@article{shahbazi2021using,\n"
            "  title={Using distance on the Riemannian manifold to compare representations in "
            "brain and in models},\n"
            "  author={Shahbazi, Mahdiyar and Shirali, Ali and Aghajan, Hamid and Nili, Hamed},\n"
            "  journal={NeuroImage},\n  volume={239},\n  year={2021}\n}",
        ),
    )

    @property
    @override
    def declared(self) -> MeasureSpec:
        if self.rdm == "cosine":
            kept = frozenset({"orthogonal", "permutation", "isotropic_scaling"})
            return self.spec.but(invariances=kept)
        if self.rdm == "precomputed":
            return self.spec.but(invariances=frozenset())
        return self.spec

    @property
    @override
    def sweep(self) -> Sweep:
        return difference_sweep

    @override
    def state_bytes(self, n: int, d: int) -> int:
        return 32 * n + (8 * n * n if self.rdm == "precomputed" else 0)

    @override
    def prepare(self, x: torch.Tensor) -> Matrix:
        if self.rdm == "euclidean":
            check_squares(x)
            x = with_safe_squares(x)
        return dissimilarities(x, self.rdm)

    def compare(self, a: Matrix, b: Matrix) -> float:
        """The norm of the difference, tile by tile: no digits are lost however alike they are."""
        total = 0.0
        for i in row_blocks(a.n, TILE_ROWS):
            for j in row_blocks(a.n, TILE_ROWS):
                if j.start >= i.start:
                    gap = (a.tile(i, j).double() - b.tile(i, j)).square_()
                    total += float(gap.triu_(1).sum() if i == j else gap.sum())
        return math.sqrt(total)

    def permuted_scores(
        self, a: Matrix, b: Matrix, orders: torch.Tensor, memory_limit: int
    ) -> torch.Tensor:
        """From the inner products, or from the differences where those lose digits."""
        aa, bb = own_sums(a, memory_limit), own_sums(b, memory_limit)
        scores = []
        for order, ab in zip(orders, permuted_sums(a, b, orders, memory_limit), strict=True):
            try:
                scores.append(self.score(ab, aa, bb))
            except TooAlikeError:
                scores.append(self.compare(a, self.permute(b, order)))
        return torch.tensor(scores, dtype=torch.float64)

    @override
    def permuted_pairs(
        self,
        states: Sequence[Matrix],
        pairs: Sequence[tuple[int, int]],
        orders: torch.Tensor,
        memory_limit: int,
    ) -> list[torch.Tensor | RepscapeError]:
        return Measure.permuted_pairs(self, states, pairs, orders, memory_limit)

    @override
    def scores_of_sums(self, request: Request, groups: Iterable[Sums]) -> list[Outcome]:
        found = super().scores_of_sums(request, groups)
        return [
            _settled(request, pair, outcome)
            for pair, outcome in zip(request.pairs, found, strict=True)
        ]

    def score(self, ab: PairSums, aa: PairSums, bb: PairSums) -> float:
        """The norm from the three inner products; raises `TooAlikeError` if that loses digits."""
        own = aa.off + bb.off
        squared = own - 2.0 * ab.off
        if squared <= _NEARLY_EQUAL * own:
            raise TooAlikeError("the difference of the inner products is mostly rounding")
        return math.sqrt(squared / 2.0)


class TooAlikeError(UndefinedScoreError):
    """Two matrices are too alike for their difference to come from inner products."""


def difference_sweep(requests: Sequence[Request], memory_limit: int) -> list[list[Outcome]]:
    """The Gram sweep, and a direct comparison of the few pairs that are too alike for it."""
    swept = gram_sweep(requests, memory_limit)
    return [
        [_settled(request, pair, outcome) for pair, outcome in zip(request.pairs, row, strict=True)]
        for request, row in zip(requests, swept, strict=True)
    ]


def _settled(request: Request, pair: tuple[int, int], outcome: Outcome) -> Outcome:
    if not isinstance(outcome, TooAlikeError):
        return outcome
    a, b = pair
    return request.measure.compare(request.states[a], request.states[b])
