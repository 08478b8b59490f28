"""Canonical correlation analysis: how far do two representations span the same directions?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from typing_extensions import override

from repscape.compute.arrays import check_not_constant
from repscape.compute.factors import ThinSVD, span_basis, thin_svd
from repscape.compute.permuted import permuted_cross_products
from repscape.errors import UndefinedScoreError
from repscape.measures.base import MEASURES, MeasureSpec
from repscape.measures.rotation import RotationMeasure
from repscape.measures.subspaces import canonical_correlations, check_span
from repscape.registry import Citation, parameter

_ALL = frozenset(
    {"orthogonal", "permutation", "isotropic_scaling", "translation", "invertible_linear"}
)
_FULL_SPAN = "all canonical correlations are 1"
_RAGHU_2017 = Citation(
    "Raghu et al. 2017",
    "@inproceedings{raghu2017svcca,\n"
    "  title={{SVCCA}: Singular Vector Canonical Correlation Analysis for Deep Learning Dynamics "
    "and Interpretability},\n"
    "  author={Raghu, Maithra and Gilmer, Justin and Yosinski, Jason and Sohl-Dickstein, "
    "Jascha},\n  booktitle={NeurIPS},\n  year={2017}\n}",
)


class MeanCorrelation(RotationMeasure):
    """The mean canonical correlation of two prepared orthonormal bases."""

    @override
    def of_norms(
        self, a: torch.Tensor, b: torch.Tensor, norms: torch.Tensor, orders: torch.Tensor
    ) -> torch.Tensor:
        return norms / min(a.shape[1], b.shape[1])

    @override
    def compare(self, a: torch.Tensor, b: torch.Tensor) -> float:
        return float(canonical_correlations(a, b).mean())


@MEASURES.register
@dataclass(frozen=True)
class CCA(MeanCorrelation):
    """Mean canonical correlation.

    With U_X, U_Y orthonormal bases of the centred features and r, r' their numerical ranks, the
    canonical correlations ρ_1 … ρ_min(r, r') are the singular values of U_XᵀU_Y:

    mean          Σ ρ_i / min(r, r');
    mean_squared  Σ ρ_i² / min(r, r') = ‖U_XᵀU_Y‖² / min(r, r') (R²_CCA of Kornblith et al. 2019,
                  equation 6).

    Raises `UndefinedScoreError` where one side spans all n - 1 centred dimensions, as it does
    with n ≤ d: the score would be 1 for any data.
    """

    average: Literal["mean", "mean_squared"] = parameter(
        "mean", "the mean of the canonical correlations, or of their squares"
    )

    spec: ClassVar = MeasureSpec(
        name="cca",
        version=1,
        family="CCA",
        kind="similarity",
        range=(0.0, 1.0),
        symmetric=True,
        metric=False,
        invariances=_ALL,
        minimum_n=3,
        summary="mean canonical correlation",
        formula="mean of the singular values of U_X^T U_Y",
        cost="n·r·r' + r³ with r = min(n, d); without r³ for mean_squared",
        pitfalls=(
            "Directions of tiny variance count as much as the largest. Independent data score "
            "high unless n is far above d: with r + r' > n - 1, some correlations are 1."
        ),
        citation=Citation(
            "Hotelling 1936",
            "@article{hotelling1936relations,\n"
            "  title={Relations Between Two Sets of Variates},\n  author={Hotelling, Harold},\n"
            "  journal={Biometrika},\n  volume={28},\n  year={1936}\n}",
        ),
        aliases={"mean_cca": {"average": "mean"}, "r2_cca": {"average": "mean_squared"}},
    )

    @property
    @override
    def declared(self) -> MeasureSpec:
        squared = self.average == "mean_squared"
        return self.spec.but(chance="max(r, r')/(n-1)" if squared else None)

    def prepare(self, x: torch.Tensor) -> torch.Tensor:
        """An orthonormal basis of the centred features, n × rank."""
        check_not_constant(x)
        basis = span_basis(x, center=True)
        check_span(basis.shape[1], x, _FULL_SPAN)
        return basis

    def expected(self, a: torch.Tensor, b: torch.Tensor) -> float | None:
        """max(r, r')/(n - 1) for the mean of squares: each ⟨u_i, v_j⟩² is 1/(n - 1) in the mean."""
        if self.average == "mean":
            return None
        return max(a.shape[1], b.shape[1]) / (a.shape[0] - 1)

    @property
    @override
    def takes_norms(self) -> bool:
        return self.average == "mean"

    @override
    def permuted_scores(
        self, a: torch.Tensor, b: torch.Tensor, orders: torch.Tensor, memory_limit: int
    ) -> torch.Tensor:
        if self.takes_norms:
            return super().permuted_scores(a, b, orders, memory_limit)
        squares = [p.square().sum(dim=(1, 2)) for _, p in permuted_cross_products(a, b, orders)]
        return torch.cat(squares) / min(a.shape[1], b.shape[1])

    @override
    def compare(self, a: torch.Tensor, b: torch.Tensor) -> float:
        if self.average == "mean":
            return super().compare(a, b)
        return float((a.T @ b).square().sum()) / min(a.shape[1], b.shape[1])


@MEASURES.register
@dataclass(frozen=True)
class SVCCA(MeanCorrelation):
    """Mean canonical correlation of the leading principal components.

    Each side keeps the fewest principal components of the centred features whose variances sum to
    at least the fraction `variance` of its total variance; then Σ ρ_i / min(k, k') as in `cca`
    (Raghu et al. 2017).
    """

    variance: float = parameter(
        0.99, "fraction of each side's total variance to keep", minimum=0, maximum=1
    )

    spec: ClassVar = MeasureSpec(
        name="svcca",
        version=1,
        family="CCA",
        kind="similarity",
        range=(0.0, 1.0),
        symmetric=True,
        metric=False,
        invariances=_ALL - {"invertible_linear"},
        minimum_n=3,
        summary="mean canonical correlation of the leading principal components",
        formula="mean of the singular values of U_k^T U'_k', k by the fraction of variance",
        cost="n·k·k' + k³ after one SVD per representation",
        pitfalls=(
            "The numbers kept may differ between the sides, and jump as the data change. Published "
            "code that compares the fraction with the total variance keeps one component."
        ),
        citation=_RAGHU_2017,
    )

    def prepare(self, x: torch.Tensor) -> torch.Tensor:
        """The leading left singular vectors, n × k."""
        check_not_constant(x)
        svd = thin_svd(x, center=True)
        share = svd.values.square().cumsum(0) / svd.values.square().sum()
        # Rounding may leave the last cumulative share a few ulp below 1.
        short = share < self.variance - 4 * torch.finfo(torch.float64).eps
        return _leading(svd, int(short.sum()) + 1, x)


@MEASURES.register
@dataclass(frozen=True)
class SVCCAComponents(MeanCorrelation):
    """Mean canonical correlation of the first k principal components of each side.

    As `svcca` (Raghu et al. 2017), with the same number of components on both sides.
    """

    k: int = parameter(10, "principal components kept on each side", minimum=1)

    spec: ClassVar = SVCCA.spec.but(
        name="svcca_components",
        summary="mean canonical correlation of the first k principal components",
        formula="mean of the singular values of U_k^T U'_k",
        chance=None,
        pitfalls=(
            "k components hold different shares of the variance in different representations. "
            "Where the k-th and the next singular value are equal, the cut is arbitrary."
        ),
    )

    @property
    @override
    def declared(self) -> MeasureSpec:
        return self.spec.but(minimum_n=self.k + 2)

    def prepare(self, x: torch.Tensor) -> torch.Tensor:
        """The first k left singular vectors, n × k."""
        check_not_constant(x)
        svd = thin_svd(x, center=True)
        if svd.rank < self.k:
            raise UndefinedScoreError(
                f"k={self.k}, but the centred representation has only {svd.rank} principal "
                f"components (shape {tuple(x.shape)}): choose k ≤ {svd.rank}"
            )
        return _leading(svd, self.k, x)


def _leading(svd: ThinSVD, k: int, x: torch.Tensor) -> torch.Tensor:
    check_span(k, x, _FULL_SPAN)
    return svd.left[:, :k].contiguous()
