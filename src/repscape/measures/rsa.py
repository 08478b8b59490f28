"""Representational similarity analysis: the correlation of two dissimilarity matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from typing_extensions import override

from repscape.compute import ranks
from repscape.compute.arrays import SAFE_EXPONENTS, within_range
from repscape.compute.gram import PairSums
from repscape.compute.kendall import PairOrder, kendall
from repscape.compute.matrix import ElementMap, Matrix
from repscape.compute.memory import DEFAULT_MEMORY_LIMIT, parse_bytes
from repscape.compute.permuted import own_sums
from repscape.compute.ranks import BinnedRanks, average_ranks
from repscape.compute.resampled import (
    WeightedRanks,
    above_diagonal,
    pair_weights,
    weighted_correlation,
)
from repscape.errors import RepscapeError, UndefinedScoreError
from repscape.measures.base import MEASURES, Measure, MeasureSpec, Sweep
from repscape.measures.gram_family import GramMeasure, off_diagonal_rounding
from repscape.measures.rdm import RDM, RDM_INVARIANCES, dissimilarities, typical_distance
from repscape.measures.tiled import Sums
from repscape.registry import Citation, parameter


@dataclass(frozen=True, eq=False)
class Ranked:
    """The ranks of another map's distances, by bins."""

    distances: ElementMap
    ranks: BinnedRanks
    linear: ClassVar[bool] = False

    def apply(
        self, products: torch.Tensor, norms_i: torch.Tensor, norms_j: torch.Tensor
    ) -> torch.Tensor:
        """Put the distances into the bins and give each its bin's rank."""
        return self.ranks(self.distances.apply(products, norms_i, norms_j))


_TAU = ("kendall", "tau_a")


def _middle(n: int) -> float:
    """The mean rank of n(n-1)/2 dissimilarities."""
    return (n * (n - 1) / 2 + 1) / 2


@MEASURES.register
@dataclass(frozen=True)
class RSA(GramMeasure):
    """Representational similarity analysis.

    The dissimilarities of all pairs of samples i < j in one representation, correlated with
    those in the other: Pearson, Spearman (average ranks), the cosine of the two vectors,
    Kendall's tau-b, or tau-a (ties count 0). Dissimilarities: 1 - Pearson correlation of two
    rows, 1 - cosine, Euclidean, squared Euclidean; Mahalanobis, with the covariance of the n
    samples, (1 - λ) Σ + λ (tr Σ / d) I for λ = `shrinkage`, inverted on the span of the centred
    rows; precomputed, where the values given are the n×n dissimilarity matrix.

    Up to n = 4096 ranks are exact; beyond, Spearman is within 1e-4 of the exact value.
    Dissimilarities that differ by no more than rounding are ties. Kendall's tau is exact and
    holds all n(n-1)/2 dissimilarities, so `memory_limit` bounds n.
    """

    rdm: RDM = parameter(
        "correlation", "dissimilarity of two samples; precomputed: the values are the n×n matrix"
    )
    compare_by: Literal["pearson", "spearman", "cosine", "kendall", "tau_a"] = parameter(
        "spearman", "how the two vectors of dissimilarities are compared; kendall is tau-b"
    )
    shrinkage: float = parameter(
        0.0, "of the Mahalanobis covariance towards a sphere", minimum=0, maximum=1
    )

    spec: ClassVar = MeasureSpec(
        name="rsa",
        version=2,
        family="Gram and RDM",
        kind="similarity",
        range=(-1.0, 1.0),
        symmetric=True,
        metric=False,
        invariances=RDM_INVARIANCES["correlation"],
        minimum_n=3,
        summary="correlation of two dissimilarity matrices",
        formula="corr(D_ij, D'_ij) over i < j",
        cost="n²(d+d')/2, plus n² log n for ranks (for every pair by kendall)",
        chance="0 (pearson, spearman, kendall, tau_a)",
        pitfalls=(
            "Correlation and cosine dissimilarities change when the features are shifted. The "
            "n(n-1)/2 dissimilarities are not independent: test by permuting samples. By cosine, "
            "unrelated matrices score high, since dissimilarities are positive. Without shrinkage, "
            "Mahalanobis distances are all equal where n ≤ d + 1."
        ),
        citation=Citation(
            "Kriegeskorte et al. 2008",
            "@article{kriegeskorte2008representational,\n"
            "  title={Representational similarity analysis -- connecting the branches of systems "
            "neuroscience},\n"
            "  author={Kriegeskorte, Nikolaus and Mur, Marieke and Bandettini, Peter},\n"
            "  journal={Frontiers in Systems Neuroscience},\n  volume={2},\n  year={2008}\n}",
        ),
    )

    @override
    def irrelevant(self) -> frozenset[str]:
        return frozenset() if self.rdm == "mahalanobis" else frozenset({"shrinkage"})

    @property
    @override
    def declared(self) -> MeasureSpec:
        invariances = RDM_INVARIANCES[self.rdm]
        if self.rdm == "mahalanobis" and self.shrinkage == 0.0:
            invariances |= {"invertible_linear"}
        changes: dict[str, object] = {"invariances": invariances}
        if self.compare_by == "cosine":
            changes.update(chance=None, minimum_n=2)
            if self.rdm != "precomputed":
                changes.update(range=(0.0, 1.0))
        return self.spec.but(**changes)

    @property
    @override
    def sweep(self) -> Sweep | None:
        return None if self.compare_by in _TAU else super().sweep

    def state_bytes(self, n: int, d: int) -> int:
        """Ranks and precomputed matrices are held whole; other matrices by their recipe."""
        held = 32 * n + (8 * n * min(n, d) if self.rdm == "mahalanobis" else 0)
        if self.compare_by in _TAU:
            return PairOrder.bytes_for(n)
        if self._ranks_are_exact(n):
            return held + 4 * n * n
        return held + (8 * n * n if self.rdm == "precomputed" else 0)

    @override
    def prepare(self, x: torch.Tensor) -> Any:
        if self.compare_by == "cosine":
            return self._dissimilarities(x, self.rdm)
        if self.compare_by == "pearson":
            plain = self._dissimilarities(x, self.rdm)
            return replace(plain, pivot=typical_distance(plain))
        plain = self._plain(x)
        return PairOrder.of(plain.tile, plain.n) if self.compare_by in _TAU else self._ranked(plain)

    def _plain(self, x: torch.Tensor) -> Matrix:
        """Dissimilarities in the order that is ranked."""
        # The same order, and whole numbers for features that are: no tie is broken by a root.
        rdm = "sqeuclidean" if self.rdm == "euclidean" else self.rdm
        return self._dissimilarities(x, rdm)

    def _dissimilarities(self, x: torch.Tensor, rdm: str) -> Matrix:
        if rdm != "precomputed":
            # No correlation of dissimilarities sees a power of two.
            x, _ = within_range(x, SAFE_EXPONENTS[x.dtype])
        return dissimilarities(x, rdm, self.shrinkage)

    def _ranks_are_exact(self, n: int) -> bool:
        return self.compare_by == "spearman" and n <= ranks.EXACT_RANK_ROWS

    def _ranked(self, plain: Matrix) -> Matrix:
        n, middle = plain.n, _middle(plain.n)
        if self._ranks_are_exact(n):
            return Matrix(plain.diagonal, pivot=middle, given=average_ranks(plain.tile, n))
        binned = BinnedRanks(plain.tile, n)
        if plain.given is not None:
            return Matrix(plain.diagonal, pivot=middle, given=binned(plain.given))
        assert plain.map is not None
        return replace(plain, pivot=middle, map=Ranked(plain.map, binned))

    def takes_tiles(self, n: int, widths: Sequence[int]) -> bool:
        """Not where whole matrices are ranked, or all of the features are whitened first."""
        ranked = self.compare_by == "spearman"
        whole = ranked and (self._ranks_are_exact(n) or self.rdm == "precomputed")
        return not whole and self.compare_by not in _TAU and self.rdm != "mahalanobis"

    def is_fitted(self, n: int) -> bool:
        """Bins of ranks."""
        return self.compare_by == "spearman" and not self._ranks_are_exact(n)

    @override
    def fitted(self, state: Any) -> dict[str, torch.Tensor]:
        assert isinstance(state.map, Ranked)
        return {"edges": state.map.ranks.edges, "ranks": state.map.ranks.ranks}

    @override
    def prepare_fitted(self, x: torch.Tensor, fitted: Sums) -> Any:
        plain = self._plain(x)
        ranks = BinnedRanks.of(*(fitted[name].to(x.device) for name in ("edges", "ranks")))
        assert plain.map is not None
        return replace(plain, pivot=_middle(plain.n), map=Ranked(plain.map, ranks))

    @override
    def compare(self, a: Any, b: Any) -> float:
        if self.compare_by not in _TAU:
            return super().compare(a, b)
        return kendall(a, b, correct_ties=self.compare_by == "kendall")

    @override
    def permute(self, state: Any, order: torch.Tensor) -> Any:
        return state.permute(order)

    @override
    def subset(self, state: Any, rows: torch.Tensor) -> Any:
        return None if self.compare_by in _TAU else super().subset(state, rows)

    @property
    def entries_stand_alone(self) -> bool:
        """Ranks and Mahalanobis distances depend on the other samples."""
        return self.compare_by in ("pearson", "cosine") and self.rdm != "mahalanobis"

    @override
    def null_bytes(self, n: int, d: int) -> int:
        return self.state_bytes(n, d) if self.compare_by in _TAU else super().null_bytes(n, d)

    def permuted_scores(
        self, a: Any, b: Any, orders: torch.Tensor, memory_limit: int
    ) -> torch.Tensor:
        """By the sums of the family; Kendall's tau order by order."""
        if self.compare_by in _TAU:
            return Measure.permuted_scores(self, a, b, orders, memory_limit)
        return super().permuted_scores(a, b, orders, memory_limit)

    @override
    def permuted_pairs(
        self,
        states: Sequence[Any],
        pairs: Sequence[tuple[int, int]],
        orders: torch.Tensor,
        memory_limit: int,
    ) -> list[torch.Tensor | RepscapeError]:
        if self.compare_by in _TAU:
            return Measure.permuted_pairs(self, states, pairs, orders, memory_limit)
        return super().permuted_pairs(states, pairs, orders, memory_limit)

    def scores(self, ab: PairSums, aa: PairSums, bb: PairSums) -> torch.Tensor:
        """The covariance is linear in the sums of the pair, so vectors serve as numbers do."""
        return torch.as_tensor(self.score(ab, aa, bb))

    def expected(self, a: Any, b: Any) -> float:
        """0 for a correlation; for the cosine, the product of the mean dissimilarities over that
        of their root mean squares."""
        if self.compare_by != "cosine":
            return 0.0
        aa, bb = (own_sums(m, parse_bytes(DEFAULT_MEMORY_LIMIT)) for m in (a, b))
        product = aa.total_a * bb.total_a / (aa.n * (aa.n - 1))
        return product / math.sqrt(aa.off) / math.sqrt(bb.off)

    def resampled_scores(self, a: Any, b: Any, counts: torch.Tensor) -> torch.Tensor:
        """Dissimilarities of a sample to its own copy are left out; ranks are taken anew."""
        if self.compare_by in _TAU:
            return super().resampled_scores(a, b, counts)
        return self._resampled(above_diagonal(a.dense), above_diagonal(b.dense), counts)

    def _resampled(self, a: torch.Tensor, b: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        ranks = (WeightedRanks(a), WeightedRanks(b)) if self.compare_by == "spearman" else None
        scores = []
        for occurs in counts:
            weights = pair_weights(occurs)
            left, right = (a, b) if ranks is None else (ranks[0](weights), ranks[1](weights))
            centred = self.compare_by != "cosine"
            scores.append(weighted_correlation(left, right, weights, centred))
        return torch.tensor(scores, dtype=torch.float64)

    @override
    def score(self, ab: PairSums, aa: PairSums, bb: PairSums) -> float:
        product, own_a, own_b = (self._moment(sums) for sums in (ab, aa, bb))
        for own, sums in ((own_a, aa), (own_b, bb)):
            if not own > off_diagonal_rounding(sums):
                raise UndefinedScoreError(
                    f"all {sums.n * (sums.n - 1) // 2} dissimilarities of a representation are "
                    "equal, so they correlate with nothing"
                )
        return product / math.sqrt(own_a) / math.sqrt(own_b)

    def _moment(self, s: PairSums) -> float:
        """Covariance of the dissimilarities (their raw product by cosine), over i ≠ j."""
        return (
            s.off
            if self.compare_by == "cosine"
            else s.off - s.total_a * s.total_b / (s.n * (s.n - 1))
        )
