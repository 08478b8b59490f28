"""Matching of features by their correlations: one to one, and each with its best partner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from typing_extensions import override

from repscape.compute.arrays import check_not_constant, check_squares
from repscape.compute.transport import best_assignment
from repscape.measures.base import MEASURES, MeasureSpec, RowsMeasure
from repscape.registry import Citation
from repscape.transforms import column_mean

_LI_2016 = Citation(
    "Li et al. 2016",
    "@inproceedings{li2016convergent,\n"
    "  title={Convergent Learning: Do Different Neural Networks Learn the Same Representations?},\n"
    "  author={Li, Yixuan and Yosinski, Jason and Clune, Jeff and Lipson, Hod and Hopcroft, "
    "John},\n  booktitle={ICLR},\n  year={2016}\n}",
)


def unit_features(x: torch.Tensor) -> torch.Tensor:
    """Centred features of norm 1, float64, so that products are Pearson correlations.

    Constant features become 0: a dead neuron correlates with nothing.
    """
    check_squares(x)
    centred = x.double() - column_mean(x)
    norms = centred.norm(dim=0)
    constant = (x == x[0]).all(dim=0) | (norms == 0)
    unit: torch.Tensor = centred / norms.masked_fill(constant, 1.0)
    return unit.masked_fill(constant, 0.0)


@MEASURES.register
@dataclass(frozen=True)
class HardCorrelationMatch(RowsMeasure):
    """Mean Pearson correlation of features matched one to one.

    The matching is the one of the largest sum of (signed) correlations; the mean is over the
    min(d, d') matched pairs, and surplus features of the wider side are left out (Li et al. 2016,
    section 3.2). A constant feature correlates 0 with every other.
    """

    spec: ClassVar = MeasureSpec(
        name="hard_correlation_match",
        version=1,
        family="alignment",
        kind="similarity",
        range=(-1.0, 1.0),
        symmetric=True,
        metric=False,
        invariances=frozenset({"permutation", "isotropic_scaling", "translation"}),
        minimum_n=2,
        summary="mean correlation of features matched one to one",
        formula="max_P mean_i corr(x_P(i), y_i)",
        cost="n·d·d' + d³",
        pitfalls=(
            "Positive for independent data, since the best matching is chosen, the more the fewer "
            "the samples. A dead neuron counts as 0, so even a copy scores below 1."
        ),
        citation=_LI_2016,
    )

    def prepare(self, x: torch.Tensor) -> torch.Tensor:
        """Centred features of norm 1; 0 where constant."""
        check_not_constant(x)
        return unit_features(x)

    @override
    def compare(self, a: torch.Tensor, b: torch.Tensor) -> float:
        correlations = a.T @ b
        rows, columns = best_assignment(correlations)
        return float(correlations[rows, columns].mean())


@MEASURES.register
@dataclass(frozen=True)
class SoftCorrelationMatch(RowsMeasure):
    """Mean Pearson correlation of every feature with its best partner.

    The average of the mean row maximum and the mean column maximum of the d × d' matrix of
    (signed) correlations; partners may serve several times (Li et al. 2016, section 3.2). A
    constant feature correlates 0 with every other.
    """

    spec: ClassVar = HardCorrelationMatch.spec.but(
        name="soft_correlation_match",
        summary="mean correlation of every feature with its best partner",
        formula="(mean_i max_j C_ij + mean_j max_i C_ij) / 2 with C_ij = corr(x_i, y_j)",
        cost="n·d·d'",
    )

    def prepare(self, x: torch.Tensor) -> torch.Tensor:
        """Centred features of norm 1; 0 where constant."""
        check_not_constant(x)
        return unit_features(x)

    @override
    def compare(self, a: torch.Tensor, b: torch.Tensor) -> float:
        correlations = a.T @ b
        best_a, best_b = correlations.amax(dim=1).mean(), correlations.amax(dim=0).mean()
        return float(best_a + best_b) / 2.0
