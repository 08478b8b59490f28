"""Shape distance between CCA and Procrustes: representations whitened in part."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from typing_extensions import override

from repscape.compute.arrays import check_not_constant
from repscape.compute.factors import thin_svd
from repscape.measures.base import MEASURES, Measure, MeasureSpec
from repscape.measures.procrustes import WILLIAMS_2021, Procrustes
from repscape.measures.rotation import (
    RotationMeasure,
    angle_of_chord,
    permuted_rotation_distances,
    rotation_distance,
)
from repscape.measures.subspaces import check_span
from repscape.registry import parameter


@MEASURES.register
@dataclass(frozen=True)
class AngularShape(RotationMeasure):
    """Angle after the best rotation of representations that are whitened in part.

    With X centred, X_α = X((1 - α)(XᵀX)^(-1/2) + αI) on the range of X, and Y_α likewise
    (Williams et al. 2021, equation 10, with XᵀX not divided by n):

    arccos ‖X_αᵀ Y_α‖_* / (‖X_α‖ ‖Y_α‖), in [0, π/2] radians.

    At α = 0 both are whitened fully, and the angle is the arccos of the sum of the canonical
    correlations over √(rank X · rank Y). At α = 1 it is `procrustes[score=angle]`.
    """

    alpha: float = parameter(
        0.5, "0 whitens fully, as CCA does; 1 is procrustes[score=angle]", minimum=0, maximum=1
    )

    spec: ClassVar = MeasureSpec(
        name="angular_shape",
        version=1,
        family="alignment",
        kind="distance",
        range=(0.0, math.pi / 2),
        symmetric=True,
        metric=True,
        invariances=frozenset({"orthogonal", "permutation", "translation"}),
        minimum_n=2,
        summary="angle after the best rotation of representations whitened in part",
        formula="arccos ||X_a^T Y_a||_* with X_a = X((1-a)(X^T X)^(-1/2) + a I), scaled to norm 1",
        cost="n·r·r' + r³ with r = min(n, d), after one SVD per representation",
        pitfalls=(
            "For 0 < alpha < 1 the size of the features, and n, decide how much is whitened: the "
            "same alpha means something else at another scale. Implementations that whiten by "
            "XᵀX/n give other numbers."
        ),
        citation=WILLIAMS_2021,
    )

    def canonical(self) -> Measure[torch.Tensor]:
        """At α = 1, Procrustes by its own name."""
        return Procrustes(score="angle") if self.alpha == 1.0 else self

    @property
    @override
    def declared(self) -> MeasureSpec:
        kept = self.spec.invariances
        if self.alpha in (0.0, 1.0):
            kept = kept | {"isotropic_scaling"}
        if self.alpha == 0.0:
            kept = kept | {"invertible_linear"}
        return self.spec.but(invariances=kept, minimum_n=3 if self.alpha == 0.0 else 2)

    def prepare(self, x: torch.Tensor) -> torch.Tensor:
        """The whitened representation in its principal axes, n × rank, with norm 1."""
        check_not_constant(x)
        svd = thin_svd(x, center=True)
        if self.alpha == 0.0:
            check_span(svd.rank, x, "the angle of whitened representations is 0")
        whitened = svd.left * ((1.0 - self.alpha) + self.alpha * svd.values)
        unit: torch.Tensor = whitened / whitened.norm()
        return unit

    @override
    def of_norms(
        self, a: torch.Tensor, b: torch.Tensor, norms: torch.Tensor, orders: torch.Tensor
    ) -> torch.Tensor:
        return 2.0 * (permuted_rotation_distances(a, b, norms, orders) / 2.0).asin()

    @override
    def compare(self, a: torch.Tensor, b: torch.Tensor) -> float:
        return angle_of_chord(rotation_distance(a, b))
