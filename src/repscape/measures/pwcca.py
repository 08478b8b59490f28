"""Projection-weighted CCA: canonical correlations weighted by what they explain of the neurons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from typing_extensions import override

from repscape.compute.arrays import check_not_constant
from repscape.compute.factors import ThinSVD, thin_svd
from repscape.errors import UndefinedScoreError
from repscape.measures.base import MEASURES, Measure, MeasureSpec
from repscape.measures.subspaces import check_span
from repscape.registry import Citation, parameter

_TIED = 1e-12
_MORCOS_2018 = Citation(
    "Morcos et al. 2018",
    "@inproceedings{morcos2018insights,\n"
    "  title={Insights on representational similarity in neural networks with canonical "
    "correlation},\n"
    "  author={Morcos, Ari S and Raghu, Maithra and Bengio, Samy},\n"
    "  booktitle={NeurIPS},\n  year={2018}\n}",
)


class _ProjectionWeighted(Measure[ThinSVD]):
    """What both definitions share: the singular value decomposition of the centred features."""

    def prepare(self, x: torch.Tensor) -> ThinSVD:
        """The thin singular value decomposition of the centred features."""
        check_not_constant(x)
        svd = thin_svd(x, center=True)
        check_span(svd.rank, x, "all canonical correlations are 1")
        return svd

    def state_bytes(self, n: int, d: int) -> int:
        return 8 * min(n, d) * (n + d)

    def permute(self, state: ThinSVD, order: torch.Tensor) -> ThinSVD:
        return state.permute(order)


@MEASURES.register
@dataclass(frozen=True)
class PWCCA(_ProjectionWeighted):
    """Projection-weighted CCA as published (Morcos et al. 2018, equation 2 and section 2.2).

    Σ w_i ρ_i / Σ w_i over the min(r, r') canonical correlations ρ_i, with w_i = Σ_j |⟨h_i, z_j⟩|,
    where z_j are the centred neurons of the side that `weights_from` names (x is the first
    argument of `compare`) and h_i its canonical variates, of unit norm.

    Raises `UndefinedScoreError` where one side spans all n - 1 centred dimensions, and where some
    but not all canonical correlations are equal: their variates, and so the weights, are then not
    determined by the data.
    """

    weights_from: Literal["x", "y"] = parameter(
        "x", "the side whose neurons and canonical variates give the weights"
    )

    spec: ClassVar = MeasureSpec(
        name="pwcca",
        version=1,
        family="CCA",
        kind="similarity",
        range=(0.0, 1.0),
        symmetric=False,
        metric=False,
        invariances=frozenset({"permutation", "isotropic_scaling", "translation"}),
        minimum_n=3,
        summary="canonical correlations weighted by what they explain of one side's neurons",
        formula="sum_i w_i rho_i / sum_i w_i with w_i = sum_j |<h_i, z_j>|",
        cost="n·r·r' + r³ + r²d after one SVD per representation",
        pitfalls=(
            "The two sides give different numbers. Independent data score high unless n is far "
            "above d."
        ),
        citation=_MORCOS_2018,
    )

    @override
    def compare(self, a: ThinSVD, b: ThinSVD) -> float:
        own, other = (a, b) if self.weights_from == "x" else (b, a)
        u, correlations, _ = torch.linalg.svd(own.left.T @ other.left, full_matrices=False)
        neurons = own.values[:, None] * own.right.T
        return _weighted_mean(correlations, u.T @ neurons)


@MEASURES.register
@dataclass(frozen=True)
class PWCCAUnwhitened(_ProjectionWeighted):
    """Projection-weighted CCA as in commonly used code, which differs from the publication.

    Directions are XVP instead of the canonical variates UP, for the singular value decompositions
    X = USVᵀ (centred) and U_XᵀU_Y = P diag(ρ) Wᵀ; a QR decomposition in the order of descending ρ
    makes them orthonormal; w_i = Σ_j |⟨q_i, x_j⟩|. The side of smaller rank gives the weights, the
    first one if the ranks agree.
    """

    spec: ClassVar = PWCCA.spec.but(
        name="pwcca_unwhitened",
        summary="pwcca as in commonly used code: directions without whitening",
        formula="sum_i w_i rho_i / sum_i w_i with w_i = sum_j |<q_i, x_j>|, Q from QR of X V P",
        pitfalls=(
            "Not the published definition: use pwcca, unless to reproduce. The code that it "
            "reproduces also adds the means of the neurons to directions of arbitrary sign when "
            "the input is not centred; here it always is."
        ),
    )

    @override
    def compare(self, a: ThinSVD, b: ThinSVD) -> float:
        own, other = (a, b) if a.rank <= b.rank else (b, a)
        u, correlations, _ = torch.linalg.svd(own.left.T @ other.left, full_matrices=False)
        directions, _ = torch.linalg.qr(own.values[:, None] * u)
        neurons = own.values[:, None] * own.right.T
        return _weighted_mean(correlations, directions.T @ neurons)


def _weighted_mean(correlations: torch.Tensor, projections: torch.Tensor) -> float:
    """Σ w_i ρ_i / Σ w_i with w_i the sum of absolute projections (r × d) on variate i."""
    gaps = correlations[:-1] - correlations[1:]
    tied = int((gaps <= _TIED).sum())
    if 0 < tied < len(gaps):
        raise UndefinedScoreError(
            f"{tied + 1} or more of {len(correlations)} canonical correlations are equal, so their "
            "variates are arbitrary and with them the weights: the two sides share features, or n "
            "is less than the sum of the ranks; use cca, or more samples"
        )
    weights = projections.abs().sum(dim=1)
    # The average as a deviation from the largest is exact where all correlations are equal.
    drop = torch.dot(weights, correlations[0] - correlations) / weights.sum()
    return float(correlations[0] - drop)
