"""The dimension by the method of moments: how the mean neighbour distance relates to the last."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from typing_extensions import override

from repscape.geometry.base import (
    DESCRIPTORS,
    Curve,
    DescriptorSpec,
    Metric,
    NeighbourDescriptor,
    metric_parameter,
)
from repscape.geometry.pointwise import averaged
from repscape.geometry.sample import Sample
from repscape.geometry.twonn import DIMENSION_INVARIANCES
from repscape.registry import Citation, parameter


@DESCRIPTORS.register
@dataclass(frozen=True)
class MethodOfMoments(NeighbourDescriptor):
    """Intrinsic dimension from the mean distance to k neighbours.

    In d dimensions E[r | r ≤ r_k] = r_k d/(d+1), so d_i = m/(r_k − m) with m = (r_1 + … + r_k)/k
    (Amsaleg et al. 2018, section 4.2). As defined there r_k counts among the k, which makes
    d + (d + 1)/(k − 1) of d, and the mean over samples a little more.
    """

    k: int = parameter(20, "how many neighbours", minimum=2)
    average: Literal["harmonic", "mean", "median"] = parameter(
        "mean", "how the samples' dimensions are combined"
    )
    metric: Metric = metric_parameter()

    spec: ClassVar = DescriptorSpec(
        name="method_of_moments",
        version=1,
        family="intrinsic dimension",
        quantity="dimension",
        scale="neighbour rank",
        range=(0.0, math.inf),
        invariances=DIMENSION_INVARIANCES,
        minimum_n=3,
        summary="dimension from the mean distance to k neighbours",
        formula="d_i = m/(r_k − m), m = mean of r_1 … r_k",
        cost="one neighbour table (k)",
        citation=Citation(
            "Amsaleg et al. 2018",
            "@article{amsaleg2018extreme,\n"
            "  title={Extreme-value-theoretic estimation of local intrinsic dimensionality},\n"
            "  author={Amsaleg, Laurent and Chelly, Oussama and Furon, Teddy and Girard, "
            "St{\\'e}phane and Houle, Michael E. and Kawarabayashi, Ken-ichi and Nett, Michael},\n"
            "  journal={Data Mining and Knowledge Discovery},\n  volume={32},\n"
            "  pages={1768--1805},\n  year={2018}\n}",
        ),
        pitfalls="Too large by about (d + 1)/(k − 1), by definition: 2.2 for a plane at k = 20.",
        aliases={"mom": {}},
    )

    @property
    @override
    def declared(self) -> DescriptorSpec:
        return super().declared.but(minimum_n=self.k + 1)

    @override
    def neighbours_needed(self, n: int) -> int:
        return self.k

    @override
    def describe(self, sample: Sample) -> Curve:
        table = sample.neighbours(self.metric, self.k)
        distances = table.distances[:, : self.k]
        mean = distances.mean(dim=1)
        values = mean / (distances[:, -1] - mean)
        return Curve((averaged(values, self.average, table, self.k, float(self.k)),))
