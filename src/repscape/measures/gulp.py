"""GULP: how differently can two representations predict, over all possible tasks?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from typing_extensions import override

from repscape.compute.arrays import check_not_constant
from repscape.compute.factors import thin_svd
from repscape.measures.base import MEASURES, Measure, MeasureSpec
from repscape.registry import Citation, parameter

_NEARLY_EQUAL = 1e-3


@dataclass(frozen=True, eq=False)
class RidgeProjection:
    """P = basis · diag(gains) · basisᵀ, the map from targets to ridge predictions."""

    basis: torch.Tensor
    gains: torch.Tensor

    @property
    def squared_norm(self) -> float:
        """‖P‖²_F."""
        return float(self.gains.square().sum())


@MEASURES.register
@dataclass(frozen=True)
class GULP(Measure[RidgeProjection]):
    """The GULP distance: the largest difference of ridge predictions (Boix-Adserà et al. 2022).

    Features are centred and scaled to tr Σ = 1, where Σ is their covariance. With S = (Σ + λ)⁻¹
    and λ = `regularization`,

        d² = tr (Σ S)² + tr (Σ' S')² - 2 tr S Σ_xy S' Σ_yx = ‖P - P'‖²_F,

    P and P' being the ridge regressions' maps from targets to predictions on the n samples.
    λ = 0 inverts on the span of the features (their numerical rank).
    """

    regularization: float = parameter(
        0.01,
        "the ridge λ, relative to the total variance; 0 compares the spans",
        minimum=0,
        maximum=1e100,
    )
    squared: bool = parameter(False, "the square of the distance, which is no metric")

    spec: ClassVar = MeasureSpec(
        name="gulp",
        version=1,
        family="Gram and RDM",
        kind="distance",
        range=(0.0, math.inf),
        symmetric=True,
        metric=True,
        invariances=frozenset({"orthogonal", "permutation", "isotropic_scaling", "translation"}),
        minimum_n=2,
        summary="distance between the ridge predictions that two representations allow",
        formula="||P - P'||_F with P = X (X^T X / n + λ)^-1 X^T / n, X centred, tr(X^T X)/n = 1",
        cost="n·d² per representation, n·d·d' per pair",
        pitfalls=(
            "At λ=0 directions count alike, however small their variance, and with n ≤ d all "
            "representations of full rank are at distance 0. Published values are often squared."
        ),
        citation=Citation(
            "Boix-Adserà et al. 2022",
            "@inproceedings{boixadsera2022gulp,\n"
            "  title={{GULP}: a prediction-based metric between representations},\n"
            "  author={Boix-Adser{\\`a}, Enric and Lawrence, Hannah and Stepaniants, George and "
            "Rigollet, Philippe},\n  booktitle={NeurIPS},\n  year={2022}\n}",
        ),
    )

    @property
    @override
    def declared(self) -> MeasureSpec:
        invariances = self.spec.invariances
        if self.regularization == 0.0:
            invariances |= {"invertible_linear"}
        return self.spec.but(metric=not self.squared, invariances=invariances)

    @override
    def prepare(self, x: torch.Tensor) -> RidgeProjection:
        check_not_constant(x)
        svd = thin_svd(x, center=True)
        variances = svd.values.square() / svd.values.square().sum()
        return RidgeProjection(svd.left, variances / (variances + self.regularization))

    @override
    def state_bytes(self, n: int, d: int) -> int:
        return 8 * (n + 1) * min(n, d)

    @override
    def permute(self, state: RidgeProjection, order: torch.Tensor) -> RidgeProjection:
        return RidgeProjection(state.basis[order], state.gains)

    def expected(self, a: RidgeProjection, b: RidgeProjection) -> float | None:
        """Of the squared distance: tr P P' is tr P tr P' / (n - 1) in the mean."""
        if not self.squared:
            return None
        product = float(a.gains.sum() * b.gains.sum()) / (a.basis.shape[0] - 1)
        return a.squared_norm + b.squared_norm - 2.0 * product

    @override
    def compare(self, a: RidgeProjection, b: RidgeProjection) -> float:
        between = a.basis.T @ b.basis
        product = float(a.gains @ between.square() @ b.gains)
        own = a.squared_norm + b.squared_norm
        squared = own - 2.0 * product
        if squared < _NEARLY_EQUAL * own:
            # The difference of nearly equal numbers loses half the digits: measure the residual.
            squared = _squared_difference(a, b, between)
        return squared if self.squared else math.sqrt(squared)


def _squared_difference(a: RidgeProjection, b: RidgeProjection, between: torch.Tensor) -> float:
    """‖P_a - P_b‖²_F: its part within the span of b, and the rest of P_a."""
    within = (a.basis * a.gains) @ between - b.basis * b.gains
    outside = (a.basis - b.basis @ between.T) * a.gains
    return float(within.square().sum() + outside.square().sum())
