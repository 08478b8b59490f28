"""Soft matching: optimal transport between the features of two representations."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from typing_extensions import override

from repscape.compute.arrays import check_not_constant, check_squares
from repscape.compute.transport import uniform_transport
from repscape.measures.base import MEASURES, MeasureSpec, RowsMeasure
from repscape.registry import Citation, parameter
from repscape.transforms import column_mean


@MEASURES.register
@dataclass(frozen=True)
class SoftMatching(RowsMeasure):
    """Optimal transport between the centred features, each side's with equal weights 1/d, 1/d'.

    correlation  max_T Σ T_ij corr(x_i, y_j), in [-1, 1];
    distance     √min_T Σ T_ij ‖x_i - y_j‖², the Wasserstein distance of Khosla and Williams 2024,
                 equation 4, in the units of the features.

    T is a transport plan, found exactly; between equal widths it is a one-to-one matching.
    Constant features (dead neurons) are left out on both sides.
    """

    score: Literal["correlation", "distance"] = parameter(
        "correlation", "mean matched correlation, or the Wasserstein distance of the features"
    )

    spec: ClassVar = MeasureSpec(
        name="soft_matching",
        version=1,
        family="alignment",
        kind="similarity",
        range=(-1.0, 1.0),
        symmetric=True,
        metric=False,
        invariances=frozenset({"permutation", "isotropic_scaling", "translation"}),
        minimum_n=2,
        summary="optimal transport between the features of two representations",
        formula="max_T sum_ij T_ij corr(x_i, y_j), or sqrt(min_T sum_ij T_ij ||x_i - y_j||^2)",
        cost="n·d·d' + about d³",
        pitfalls=(
            "Correlations of independent data are positive, since the best plan is chosen. The "
            "distance grows with n and with the size of the activations."
        ),
        citation=Citation(
            "Khosla and Williams 2024",
            "@inproceedings{khosla2024soft,\n"
            "  title={Soft Matching Distance: A metric on neural representations that captures "
            "single-neuron tuning},\n"
            "  author={Khosla, Meenakshi and Williams, Alex H},\n"
            "  booktitle={Proceedings of UniReps: the First Workshop on Unifying Representations "
            "in Neural Models},\n  year={2024}\n}",
        ),
        aliases={"soft_matching_distance": {"score": "distance"}},
    )

    @property
    @override
    def declared(self) -> MeasureSpec:
        if self.score == "correlation":
            return self.spec
        kept = self.spec.invariances - {"isotropic_scaling"}
        return self.spec.but(kind="distance", range=(0.0, math.inf), metric=True, invariances=kept)

    def prepare(self, x: torch.Tensor) -> torch.Tensor:
        """The centred features that are not constant; of norm 1 for the correlation."""
        check_not_constant(x)
        check_squares(x)
        centred = x.double() - column_mean(x)
        norms = centred.norm(dim=0)
        alive = ~(x == x[0]).all(dim=0) & (norms > 0)
        kept: torch.Tensor = centred[:, alive]
        return kept if self.score == "distance" else kept.div_(norms[alive])

    @override
    def compare(self, a: torch.Tensor, b: torch.Tensor) -> float:
        products = a.T @ b
        if self.score == "correlation":
            rows, columns, masses = uniform_transport(-products)
            return float(torch.dot(masses, products[rows, columns]))
        squares_a, squares_b = a.square().sum(dim=0), b.square().sum(dim=0)
        costs = squares_a[:, None] + squares_b - 2.0 * products
        rows, columns, masses = uniform_transport(costs)
        # The costs that count are formed anew from differences, which keep their digits near 0.
        exact = (a[:, rows] - b[:, columns]).square().sum(dim=0)
        return math.sqrt(float(torch.dot(masses, exact)))
