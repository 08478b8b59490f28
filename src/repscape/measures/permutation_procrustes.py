"""Permutation Procrustes: what remains after the best matching of features."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from typing_extensions import override

from repscape.compute.arrays import check_not_constant, check_squares
from repscape.compute.transport import best_assignment
from repscape.errors import UndefinedScoreError
from repscape.measures.base import MEASURES, MeasureSpec, RowsMeasure
from repscape.measures.procrustes import WILLIAMS_2021
from repscape.registry import parameter
from repscape.transforms import column_mean


@MEASURES.register
@dataclass(frozen=True)
class PermutationProcrustes(RowsMeasure):
    """Procrustes over permutations of features instead of rotations.

    With X, Y centred and P the one-to-one matching of features with the largest ⟨XP, Y⟩
    (Williams et al. 2021, section 2.3):

    distance  ‖XP - Y‖_F, not scaled, in the units of the features;
    angle     the angle between XP and Y, in [0, π] radians.

    Where widths differ, every feature of the narrower side is matched, and the others of the wider
    side are matched with zeros.
    """

    score: Literal["distance", "angle"] = parameter(
        "distance", "distance in the units of the features, or angle in radians"
    )
    center: bool = parameter(True, "subtract each feature's mean first")

    spec: ClassVar = MeasureSpec(
        name="permutation_procrustes",
        version=1,
        family="alignment",
        kind="distance",
        range=(0.0, math.inf),
        symmetric=True,
        metric=False,
        invariances=frozenset({"permutation", "translation"}),
        minimum_n=2,
        summary="distance after the best matching of features, centred but not scaled",
        formula="min_P ||XP - Y|| with X, Y centred",
        cost="n·d·d' + d³",
        pitfalls=(
            "The triangle inequality holds between equal widths only. The distance grows with n "
            "and with the size of the activations; the angle does not."
        ),
        citation=WILLIAMS_2021,
    )

    @property
    @override
    def declared(self) -> MeasureSpec:
        spec = self.spec
        if self.score == "angle":
            added = spec.invariances | {"isotropic_scaling"}
            spec = spec.but(range=(0.0, math.pi), invariances=added)
        if not self.center:
            spec = spec.but(invariances=spec.invariances - {"translation"}, minimum_n=1)
        return spec

    def prepare(self, x: torch.Tensor) -> torch.Tensor:
        """The (centred) features, of norm 1 for the angle."""
        if self.score == "distance":
            return _features(x, self.center)
        if self.center:
            check_not_constant(x)
        features = _features(x, self.center)
        norm = features.norm()
        if norm == 0:
            raise UndefinedScoreError("all values are 0, so they form no angle with others")
        unit: torch.Tensor = features / norm
        return unit

    @override
    def compare(self, a: torch.Tensor, b: torch.Tensor) -> float:
        left, right = best_assignment(a.T @ b)
        # Formed from the differences themselves, the score keeps its digits near 0.
        matched = (a[:, left] - b[:, right]).square().sum()
        rest = _unmatched(a, left) + _unmatched(b, right)
        distance = math.sqrt(float(matched) + rest)
        if self.score == "distance":
            return distance
        total = math.sqrt(float((a[:, left] + b[:, right]).square().sum()) + rest)
        return 2.0 * math.atan2(distance, total)


def _features(x: torch.Tensor, center: bool) -> torch.Tensor:
    check_squares(x)
    features: torch.Tensor = x.double() - column_mean(x) if center else x.double()
    return features


def _unmatched(features: torch.Tensor, matched: torch.Tensor) -> float:
    """The squared norm of the features without a partner."""
    alone = torch.ones(features.shape[1], dtype=torch.bool, device=features.device)
    alone[matched] = False
    return float(features[:, alone].square().sum())
