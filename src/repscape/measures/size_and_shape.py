"""Size and shape: Procrustes without dividing out the size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from typing_extensions import override

from repscape.compute.factors import thin_factor
from repscape.measures.base import MEASURES, MeasureSpec
from repscape.measures.procrustes import WILLIAMS_2021
from repscape.measures.rotation import (
    RotationMeasure,
    permuted_rotation_distances,
    rotation_distance,
)
from repscape.registry import parameter


@MEASURES.register
@dataclass(frozen=True)
class SizeAndShape(RotationMeasure):
    """Orthogonal Procrustes distance of centred, unscaled representations.

    min_Q ‖XQ - Y‖_F = √(‖X‖² + ‖Y‖² - 2‖XᵀY‖_*), in the units of the features; its square where
    `squared` (Williams et al. 2021, equation 6; squared as in Ding et al. 2021). Widths may
    differ: the narrower side counts as padded with zero columns.
    """

    center: bool = parameter(True, "subtract each feature's mean first")
    squared: bool = parameter(False, "the square of the distance")

    spec: ClassVar = MeasureSpec(
        name="size_and_shape",
        version=1,
        family="alignment",
        kind="distance",
        range=(0.0, math.inf),
        symmetric=True,
        metric=True,
        invariances=frozenset({"orthogonal", "permutation", "translation"}),
        minimum_n=2,
        summary="distance after the best rotation, centred but not scaled",
        formula="sqrt(||X||^2 + ||Y||^2 - 2 ||X^T Y||_*) with X, Y centred",
        cost="n·r·r' + r³ with r = min(n, d)",
        pitfalls=(
            "It grows with n and with the size of the activations, so values of different data "
            "sets, layers or models do not compare: use procrustes where size means nothing."
        ),
        citation=WILLIAMS_2021,
    )

    @property
    @override
    def declared(self) -> MeasureSpec:
        spec = self.spec.but(metric=not self.squared)
        if not self.center:
            spec = spec.but(invariances=spec.invariances - {"translation"}, minimum_n=1)
        return spec

    def prepare(self, x: torch.Tensor) -> torch.Tensor:
        """A factor of the (centred) representation."""
        return thin_factor(x, self.center)

    @override
    def of_norms(
        self, a: torch.Tensor, b: torch.Tensor, norms: torch.Tensor, orders: torch.Tensor
    ) -> torch.Tensor:
        distances = permuted_rotation_distances(a, b, norms, orders)
        return distances.square() if self.squared else distances

    @override
    def compare(self, a: torch.Tensor, b: torch.Tensor) -> float:
        distance = rotation_distance(a, b)
        return distance**2 if self.squared else distance
