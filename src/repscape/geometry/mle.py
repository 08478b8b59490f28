"""The maximum-likelihood dimension of Levina and Bickel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from typing_extensions import override

from repscape.compute.neighbours import NeighbourTable
from repscape.compute.threads import one_thread
from repscape.errors import InvalidParameterError
from repscape.geometry.base import (
    DESCRIPTORS,
    Curve,
    DescriptorSpec,
    Metric,
    NeighbourDescriptor,
    metric_parameter,
)
from repscape.geometry.pointwise import averaged, refuse_zero_distances
from repscape.geometry.sample import Sample
from repscape.geometry.twonn import DIMENSION_INVARIANCES
from repscape.registry import Citation, parameter


@one_thread()
def local_dimensions(table: NeighbourTable, k: int, unbiased: bool = False) -> torch.Tensor:
    """d_i = (k − 1) / Σ_{j<k} ln(r_k/r_j) of every sample, (n,); k − 2 if `unbiased`."""
    logs = table.distances[:, :k].log()
    sums = (logs[:, -1:] - logs[:, :-1]).sum(dim=1)
    dimensions: torch.Tensor = (k - 2 if unbiased else k - 1) / sums
    return dimensions


@DESCRIPTORS.register
@dataclass(frozen=True)
class MaximumLikelihood(NeighbourDescriptor):
    """Intrinsic dimension by maximum likelihood over the k nearest neighbours of every sample.

    d_i = [1/(k−1) Σ_{j<k} ln(r_k/r_j)]⁻¹ (Levina & Bickel 2004, equation 8), combined by the
    harmonic mean, which is the maximum likelihood over all samples (MacKay & Ghahramani 2005),
    by the mean or by the median; with `unbiased`, k − 2 in place of k − 1.
    """

    k: int = parameter(20, "how many neighbours", minimum=2)
    average: Literal["harmonic", "mean", "median"] = parameter(
        "harmonic", "how the samples' dimensions are combined"
    )
    unbiased: bool = parameter(False, "divide by k − 2: unbiased at one sample, not in the average")
    metric: Metric = metric_parameter()

    spec: ClassVar = DescriptorSpec(
        name="mle",
        version=1,
        family="intrinsic dimension",
        quantity="dimension",
        scale="neighbour rank",
        range=(0.0, math.inf),
        invariances=DIMENSION_INVARIANCES,
        minimum_n=3,
        summary="maximum-likelihood dimension from the distances to k neighbours",
        formula="d_i = (k−1) / Σ_j<k ln(r_k/r_j), harmonic mean over i",
        cost="one neighbour table (k)",
        citation=Citation(
            "Levina & Bickel 2004",
            "@inproceedings{levina2004maximum,\n"
            "  title={Maximum Likelihood Estimation of Intrinsic Dimension},\n"
            "  author={Levina, Elizaveta and Bickel, Peter J.},\n"
            "  booktitle={NeurIPS},\n  year={2004}\n}",
        ),
        pitfalls="The mean over samples is larger than the harmonic mean by about d/k.",
        aliases={"levina_bickel": {}},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.unbiased and self.k < 3:
            raise InvalidParameterError(f"mle[k={self.k},unbiased=true]: needs k of at least 3")

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
        refuse_zero_distances(table)
        values = local_dimensions(table, self.k, self.unbiased)
        return Curve((averaged(values, self.average, table, self.k, float(self.k)),))
