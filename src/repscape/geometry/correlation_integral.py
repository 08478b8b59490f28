"""The correlation dimension: how the share of near pairs grows with the radius."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from typing_extensions import override

from repscape.compute.neighbour_ranks import neighbours_within
from repscape.errors import InvalidParameterError, UndefinedScoreError
from repscape.geometry.base import (
    DESCRIPTORS,
    Curve,
    DescriptorSpec,
    Metric,
    NeighbourDescriptor,
    Reading,
    metric_parameter,
)
from repscape.geometry.sample import Sample
from repscape.geometry.twonn import DIMENSION_INVARIANCES
from repscape.registry import Citation, parameter


@DESCRIPTORS.register
@dataclass(frozen=True)
class CorrelationIntegral(NeighbourDescriptor):
    """Intrinsic dimension as the slope of ln C(r) on ln r between two radii.

    C(r) is the share of pairs nearer than r (Grassberger & Procaccia 1983, equation 1.1); the
    radii are the median distances to the k1-th and the k2-th neighbour. Unlike the table of
    neighbours, C counts all pairs within the radius, in a pass of its own.

    The standard error takes the radii as given and C as a U-statistic.
    """

    k1: int = parameter(10, "the neighbour whose median distance is the smaller radius", minimum=1)
    k2: int = parameter(20, "the same for the larger radius", minimum=2)
    metric: Metric = metric_parameter()

    spec: ClassVar = DescriptorSpec(
        name="correlation_integral",
        version=1,
        family="intrinsic dimension",
        quantity="dimension",
        scale="neighbour rank",
        range=(0.0, math.inf),
        invariances=DIMENSION_INVARIANCES,
        minimum_n=3,
        summary="how fast the number of pairs within a radius grows with it",
        formula="ln(C(r₂)/C(r₁)) / ln(r₂/r₁), C(r) = share of pairs with distance < r",
        cost="one neighbour table (k2) and n² d",
        citation=Citation(
            "Grassberger & Procaccia 1983",
            "@article{grassberger1983measuring,\n"
            "  title={Measuring the strangeness of strange attractors},\n"
            "  author={Grassberger, Peter and Procaccia, Itamar},\n"
            "  journal={Physica D},\n  volume={9},\n  pages={189--208},\n  year={1983}\n}",
        ),
        pitfalls="Dense regions hold most near pairs, so they decide the value.",
        aliases={"corrint": {}},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.k1 >= self.k2:
            raise InvalidParameterError(
                f"correlation_integral[k1={self.k1},k2={self.k2}]: k1 must be below k2"
            )

    @property
    @override
    def declared(self) -> DescriptorSpec:
        return super().declared.but(minimum_n=self.k2 + 1)

    @override
    def neighbours_needed(self, n: int) -> int:
        return self.k2

    @override
    def describe(self, sample: Sample) -> Curve:
        table = sample.neighbours(self.metric, self.k2)
        ranks = torch.tensor([self.k1 - 1, self.k2 - 1])
        radii = torch.quantile(table.distances[:, ranks], 0.5, dim=0)
        if not 0 < float(radii[0]) < float(radii[1]):
            raise UndefinedScoreError(
                f"the median distances to neighbours {self.k1} and {self.k2} are "
                f"{float(radii[0]):g} and {float(radii[1]):g}, so there is no slope between them"
            )
        counts = _counts_within(sample, radii, self.metric).double()
        totals = counts.sum(dim=0)
        if float(totals[0]) == 0:
            raise UndefinedScoreError(f"no pair is nearer than {float(radii[0]):g}")
        width = math.log(float(radii[1] / radii[0]))
        terms = 2 * (counts[:, 1] / totals[1] - counts[:, 0] / totals[0])
        reading = Reading(
            value=math.log(float(totals[1] / totals[0])) / width,
            scale=float(self.k2),
            standard_error=float(terms.square().sum()) ** 0.5 / width,
            distance=float(radii.mean()),
            samples=sample.n,
        )
        return Curve((reading,))


def _counts_within(sample: Sample, radii: torch.Tensor, metric: Metric) -> torch.Tensor:
    if metric != "precomputed":
        return neighbours_within(sample.features(), radii, metric, sample.memory_limit)
    if sample.distances is None:
        raise InvalidParameterError(
            "the correlation integral counts all pairs within a radius: give distances or "
            "features, not a table of neighbours"
        )
    d = sample.distances
    own = (d.diagonal()[:, None] < radii.to(d.device)).long()
    counts = [(d < radius).sum(dim=1) for radius in radii.tolist()]
    return (torch.stack(counts, dim=1) - own).cpu()
