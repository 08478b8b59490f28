"""Distance correlation: zero only for independent representations."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from typing_extensions import override

from repscape.compute.arrays import SAFE_EXPONENTS, within_range
from repscape.compute.gram import PairSums
from repscape.compute.matrix import Matrix
from repscape.errors import UndefinedScoreError
from repscape.measures.base import MEASURES, MeasureSpec
from repscape.measures.gram_family import (
    GramMeasure,
    biased_hsic,
    biased_rounding,
    debiased_hsic,
    debiased_rounding,
    expected_alignment,
)
from repscape.measures.rdm import dissimilarities, typical_distance
from repscape.registry import Citation, parameter


@MEASURES.register
@dataclass(frozen=True)
class DistanceCorrelation(GramMeasure):
    """Distance correlation of the Euclidean distances within the two representations.

    With A and B the distance matrices, V(A, B) the mean of the products of their double-centred
    entries (the V-statistic of Székely et al. 2007) or the bias-corrected U-statistic of their
    U-centred entries (Székely and Rizzo 2014), the squared distance correlation is
    V(A, B) / √(V(A, A) V(B, B)). `root` takes its square root, as the biased one is commonly
    reported; a negative bias-corrected value keeps its sign.
    """

    debiased: bool = parameter(True, "use the U-statistic, 0 for independent data")
    root: bool = parameter(False, "the square root of the squared distance correlation")

    spec: ClassVar = MeasureSpec(
        name="distance_correlation",
        version=1,
        family="Gram and RDM",
        kind="similarity",
        range=(-1.0, 1.0),
        symmetric=True,
        metric=False,
        invariances=frozenset({"orthogonal", "permutation", "isotropic_scaling", "translation"}),
        minimum_n=4,
        summary="correlation of the double-centred distance matrices",
        formula="V(A, B) / sqrt(V(A, A) V(B, B)) of the centred distance matrices",
        cost="n²(d+d')/2",
        chance="0 (debiased)",
        pitfalls=(
            "The biased value of independent data is far above 0, above 0.9 for n ≤ d. The "
            "debiased value may be negative."
        ),
        citation=Citation(
            "Székely et al. 2007",
            "@article{szekely2007measuring,\n"
            "  title={Measuring and testing dependence by correlation of distances},\n"
            "  author={Sz{\\'e}kely, G{\\'a}bor J and Rizzo, Maria L and Bakirov, Nail K},\n"
            "  journal={The Annals of Statistics},\n  volume={35},\n  number={6},\n"
            "  year={2007}\n}",
        ),
        aliases={"dcor": {"debiased": False, "root": True}},
    )

    @property
    @override
    def declared(self) -> MeasureSpec:
        if self.debiased:
            return self.spec
        return self.spec.but(range=(0.0, 1.0), minimum_n=2, chance=None)

    @override
    def prepare(self, x: torch.Tensor) -> Matrix:
        # The correlation does not see a power of two.
        x, _ = within_range(x, SAFE_EXPONENTS[x.dtype])
        plain = dissimilarities(x, "euclidean")
        return replace(plain, pivot=typical_distance(plain))

    @override
    def score(self, ab: PairSums, aa: PairSums, bb: PairSums) -> float:
        covariance = self._covariance(ab)
        squared = covariance / math.sqrt(self._variance(aa)) / math.sqrt(self._variance(bb))
        if not self.root:
            return squared
        if not self.debiased and squared < 0.0 and abs(covariance) <= self._rounding(ab):
            return 0.0
        return math.copysign(math.sqrt(abs(squared)), squared)

    def expected(self, a: Matrix, b: Matrix) -> float | None:
        """Of the squared distance correlation: 0 debiased, otherwise as for CKA."""
        if self.root:
            return None
        return 0.0 if self.debiased else expected_alignment(a, b)

    def _covariance(self, s: PairSums) -> float:
        return debiased_hsic(s) if self.debiased else biased_hsic(s)

    def _variance(self, s: PairSums) -> float:
        own = self._covariance(s)
        if not own > self._rounding(s):
            raise UndefinedScoreError(
                f"the distances within a representation do not vary once centred (n={s.n}), so "
                "they correlate with nothing: fewer samples than dimensions, all equally far apart?"
            )
        return own

    def _rounding(self, s: PairSums) -> float:
        return debiased_rounding(s) if self.debiased else biased_rounding(s)
