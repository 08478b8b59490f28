"""Representational similarity analysis: the correlation of two dissimilarity matrices."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch

from repscape.compute.arrays import as_symmetric, check_not_constant
from repscape.compute.gram import ElementMap, Matrix, PairSums
from repscape.compute.ranks import EXACT_RANK_ROWS, BinnedRanks, average_ranks
from repscape.compute.rows import RowKind, Rows
from repscape.errors import UndefinedScoreError
from repscape.measures.base import MEASURES, MeasureSpec
from repscape.measures.gram_family import GramMeasure
from repscape.registry import Citation, parameter


@dataclass(frozen=True)
class OneMinusProduct:
    """1 - ⟨x_i, x_j⟩ of normalised rows: cosine or correlation distance."""

    linear: ClassVar[bool] = False

    def apply(  # noqa: D102
        self, products: torch.Tensor, norms_i: torch.Tensor, norms_j: torch.Tensor
    ) -> torch.Tensor:
        return 1.0 - products


@dataclass(frozen=True)
class SquaredEuclidean:
    """‖x_i - x_j‖²."""

    linear: ClassVar[bool] = False

    def apply(  # noqa: D102
        self, products: torch.Tensor, norms_i: torch.Tensor, norms_j: torch.Tensor
    ) -> torch.Tensor:
        # Rounding may bring the distance of equal rows below 0.
        sums = (norms_i[:, None] + norms_j).to(products.dtype)
        return (sums - 2.0 * products).clamp_(min=0.0)


@dataclass(frozen=True)
class Euclidean:
    """‖x_i - x_j‖."""

    linear: ClassVar[bool] = False

    def apply(  # noqa: D102
        self, products: torch.Tensor, norms_i: torch.Tensor, norms_j: torch.Tensor
    ) -> torch.Tensor:
        return SquaredEuclidean().apply(products, norms_i, norms_j).sqrt_()


@dataclass(frozen=True, eq=False)
class Ranked:
    """The ranks of another map's distances, by bins."""

    distances: ElementMap
    ranks: BinnedRanks
    linear: ClassVar[bool] = False

    def apply(  # noqa: D102
        self, products: torch.Tensor, norms_i: torch.Tensor, norms_j: torch.Tensor
    ) -> torch.Tensor:
        return self.ranks(self.distances.apply(products, norms_i, norms_j))


_RDMS: dict[str, tuple[RowKind, ElementMap]] = {
    "correlation": ("correlation", OneMinusProduct()),
    "cosine": ("unit", OneMinusProduct()),
    "euclidean": ("centred", Euclidean()),
    "sqeuclidean": ("centred", SquaredEuclidean()),
}
_RIGID = frozenset({"orthogonal", "permutation", "isotropic_scaling", "translation"})
_INVARIANCES = {
    "correlation": frozenset({"permutation", "isotropic_scaling"}),
    "cosine": frozenset({"orthogonal", "permutation", "isotropic_scaling"}),
    "euclidean": _RIGID,
    "sqeuclidean": _RIGID,
    "precomputed": frozenset(),
}


@MEASURES.register
@dataclass(frozen=True)
class RSA(GramMeasure):
    """Representational similarity analysis.

    The dissimilarities of all pairs of samples i < j in one representation, correlated with
    those in the other: Pearson, Spearman (average ranks) or the cosine of the two vectors.
    Dissimilarities: 1 - Pearson correlation of two rows, 1 - cosine, Euclidean, squared
    Euclidean; precomputed, where the values given are the n×n dissimilarity matrix.

    Up to n = 4096 ranks are exact; beyond, Spearman is within 1e-4 of the exact value.
    """

    rdm: Literal["correlation", "cosine", "euclidean", "sqeuclidean", "precomputed"] = parameter(
        "correlation", "dissimilarity of two samples; precomputed: the values are the n×n matrix"
    )
    compare_by: Literal["pearson", "spearman", "cosine"] = parameter(
        "spearman", "how the two vectors of dissimilarities are compared"
    )

    spec: ClassVar = MeasureSpec(
        name="rsa",
        version=1,
        family="Gram and RDM",
        kind="similarity",
        range=(-1.0, 1.0),
        symmetric=True,
        metric=False,
        invariances=_INVARIANCES["correlation"],
        minimum_n=3,
        summary="correlation of two dissimilarity matrices",
        formula="corr(D_ij, D'_ij) over i < j",
        cost="n²(d+d')/2, plus n² log n for ranks",
        chance="0 (pearson, spearman)",
        pitfalls=(
            "Correlation and cosine dissimilarities change when the features are shifted. The "
            "n(n-1)/2 dissimilarities are not independent: test by permuting samples. By cosine, "
            "unrelated matrices score high, since dissimilarities are positive."
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

    @property
    def declared(self) -> MeasureSpec:  # noqa: D102
        changes: dict[str, object] = {"invariances": _INVARIANCES[self.rdm]}
        if self.compare_by == "cosine":
            changes.update(range=(0.0, 1.0), chance=None, minimum_n=2)
        return self.spec.but(**changes)

    def prepare(self, x: torch.Tensor) -> Matrix:  # noqa: D102
        plain = self._distances(x)
        if self.compare_by == "cosine":
            return plain
        if self.compare_by == "pearson":
            return replace(plain, pivot=_typical_distance(plain))
        n = plain.n
        middle = (n * (n - 1) / 2 + 1) / 2
        if n <= EXACT_RANK_ROWS:
            ranks = average_ranks(plain.tile, n)
            return Matrix(plain.diagonal, pivot=middle, given=ranks)
        binned = BinnedRanks(plain.tile, n)
        if plain.given is not None:
            return Matrix(plain.diagonal, pivot=middle, given=binned(plain.given))
        assert plain.map is not None
        return replace(plain, pivot=middle, map=Ranked(plain.map, binned))

    def _distances(self, x: torch.Tensor) -> Matrix:
        zeros = torch.zeros(x.shape[0], dtype=torch.float64, device=x.device)
        if self.rdm == "precomputed":
            return Matrix(zeros, pivot=0.0, given=as_symmetric(x, "dissimilarity matrix"))
        check_not_constant(x)
        kind, element_map = _RDMS[self.rdm]
        return Matrix(zeros, pivot=0.0, rows=Rows(x, kind), map=element_map)

    def score(self, ab: PairSums, aa: PairSums, bb: PairSums) -> float:  # noqa: D102
        product, own_a, own_b = (self._moment(sums) for sums in (ab, aa, bb))
        rounding = 64 * torch.finfo(torch.float64).eps
        for own, sums in ((own_a, aa), (own_b, bb)):
            if not own > rounding * sums.off:
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


def _typical_distance(matrix: Matrix) -> float:
    first = slice(0, min(matrix.n, 256))
    tile = matrix.tile(first, first)
    size = tile.shape[0]
    return float(tile.sum(dtype=torch.float64) - tile.diagonal().sum()) / (size * (size - 1))
