"""Procrustes: what remains between two representations after the best rotation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from typing_extensions import override

from repscape.compute.arrays import check_not_constant
from repscape.compute.factors import thin_factor
from repscape.compute.nuclear_norms import nuclear_norm
from repscape.errors import UndefinedScoreError
from repscape.measures.base import MEASURES, MeasureSpec
from repscape.measures.rotation import (
    RotationMeasure,
    angle_of_chord,
    permuted_rotation_distances,
    rotation_distance,
)
from repscape.registry import Citation, parameter

WILLIAMS_2021 = Citation(
    "Williams et al. 2021",
    "@inproceedings{williams2021generalized,\n"
    "  title={Generalized Shape Metrics on Neural Representations},\n"
    "  author={Williams, Alex H and Kunz, Erin and Kornblith, Simon and Linderman, "
    "Scott},\n  booktitle={NeurIPS},\n  year={2021}\n}",
)

_ROUNDING = 1e-7
"""Of a factor of norm 1: what is left below it has lost half its digits."""


@MEASURES.register
@dataclass(frozen=True)
class Procrustes(RotationMeasure):
    """Orthogonal Procrustes after centring and scaling to unit Frobenius norm.

    With X, Y so normalised and ‖·‖_* the nuclear norm (Williams et al. 2021, equations 5-8):

    distance    min_Q ‖XQ - Y‖_F = √(2 - 2‖XᵀY‖_*), in [0, √2];
    angle       arccos ‖XᵀY‖_*, in [0, π/2] radians;
    similarity  ‖XᵀY‖_*, in [0, 1], the normalised Bures similarity.

    Widths may differ: the narrower side counts as padded with zero columns.
    """

    score: Literal["distance", "angle", "similarity"] = parameter(
        "distance", "distance in [0, √2], angle in radians, or similarity in [0, 1]"
    )
    center: bool = parameter(True, "subtract each feature's mean first")

    spec: ClassVar = MeasureSpec(
        name="procrustes",
        version=1,
        family="alignment",
        kind="distance",
        range=(0.0, math.sqrt(2.0)),
        symmetric=True,
        metric=True,
        invariances=frozenset({"orthogonal", "permutation", "isotropic_scaling", "translation"}),
        minimum_n=2,
        summary="distance after the best rotation, centred and scaled",
        formula="sqrt(2 - 2 ||X^T Y||_*) with X, Y centred, ||X|| = ||Y|| = 1",
        cost="n·r·r' + r³ with r = min(n, d)",
        pitfalls=(
            "With n ≤ d independent data can be rotated close to each other: compare with a "
            "permutation null. The size of a representation is divided out."
        ),
        citation=WILLIAMS_2021,
        aliases={
            "orthogonal_procrustes": {"score": "distance"},
            "nbs": {"score": "similarity"},
            "normalized_bures_similarity": {"score": "similarity"},
        },
    )

    @property
    @override
    def declared(self) -> MeasureSpec:
        spec = self.spec
        if not self.center:
            spec = spec.but(invariances=spec.invariances - {"translation"}, minimum_n=1)
        if self.score == "angle":
            spec = spec.but(range=(0.0, math.pi / 2))
        if self.score == "similarity":
            spec = spec.but(kind="similarity", range=(0.0, 1.0), metric=False)
        return spec

    def prepare(self, x: torch.Tensor) -> torch.Tensor:
        """A factor of the centred representation with Frobenius norm 1."""
        if self.center:
            check_not_constant(x)
        factor = thin_factor(x, self.center)
        norm = factor.norm()
        if norm == 0:
            raise UndefinedScoreError("all values are 0, so they cannot be scaled to norm 1")
        unit: torch.Tensor = factor / norm
        return unit

    def subset(self, state: torch.Tensor, rows: torch.Tensor) -> torch.Tensor | None:
        """The factor of some samples, centred and scaled anew."""
        part = state[rows]
        if self.center:
            part = part - part.mean(dim=0)
        norm = part.norm()
        # What is left of equal samples is rounding: preparing them says so.
        return part / norm if norm > _ROUNDING else None

    @override
    def of_norms(
        self, a: torch.Tensor, b: torch.Tensor, norms: torch.Tensor, orders: torch.Tensor
    ) -> torch.Tensor:
        if self.score == "similarity":
            return norms
        distances = permuted_rotation_distances(a, b, norms, orders)
        return distances if self.score == "distance" else 2.0 * (distances / 2.0).asin()

    @override
    def compare(self, a: torch.Tensor, b: torch.Tensor) -> float:
        if self.score == "similarity":
            return nuclear_norm(a, b)
        distance = rotation_distance(a, b)
        return distance if self.score == "distance" else angle_of_chord(distance)
