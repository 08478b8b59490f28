"""Local PCA: the number of directions in which the neighbours of a sample vary."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from typing_extensions import override

from repscape.compute.arrays import row_blocks
from repscape.compute.neighbours import NeighbourTable
from repscape.geometry.base import (
    DESCRIPTORS,
    Curve,
    DescriptorSpec,
    Metric,
    NeighbourDescriptor,
    metric_parameter,
)
from repscape.geometry.eigenvalue_rules import dimensions_by_rule
from repscape.geometry.pointwise import averaged
from repscape.geometry.sample import Sample
from repscape.geometry.twonn import DIMENSION_INVARIANCES
from repscape.registry import Citation, parameter

_BYTES_AT_A_TIME = 2**28


def local_variances(x: torch.Tensor, table: NeighbourTable, k: int) -> torch.Tensor:
    """The variances along the principal axes of every sample with its k neighbours.

    Returns (n, min(k, d)) float64, descending; the sums of squares, not divided.
    """
    n, d = x.shape
    rank = min(k, d)
    variances = torch.empty(n, rank, dtype=torch.float64)
    rows = max(1, _BYTES_AT_A_TIME // (24 * (k + 1) * (d + k + 1)))
    for i in row_blocks(n, min(rows, n)):
        own = torch.arange(i.start, i.stop)[:, None]
        members = torch.cat([own, table.indices[i, :k].long()], dim=1).to(x.device)
        # The difference to the sample itself is exact enough under a large common offset.
        local = x[members].double() - x[members[:, :1]].double()
        local = local - local.mean(dim=1, keepdim=True)
        products = local @ local.mT if k + 1 <= d else local.mT @ local
        values = torch.linalg.eigvalsh(products).flip(1)[:, :rank]
        rounding = torch.finfo(torch.float64).eps * max(k + 1, d) * values[:, :1]
        variances[i] = torch.where(values > rounding, values, torch.zeros_like(values)).cpu()
    return variances


@DESCRIPTORS.register
@dataclass(frozen=True)
class LocalPCA(NeighbourDescriptor):
    """The dimension of the linear span of neighbourhoods, averaged over the samples.

    The variances along the principal axes of a sample and its k nearest neighbours are counted
    by a rule: those above threshold × the largest (Fukunaga & Olsen 1971), the fewest that reach
    a share of the variance, or others; see `repscape.geometry.eigenvalue_rules`.
    """

    k: int = parameter(50, "how many neighbours; no estimate exceeds it", minimum=2)
    rule: Literal["fukunaga_olsen", "ratio", "participation_ratio", "kaiser", "broken_stick"] = (
        parameter("fukunaga_olsen", "how the variances are counted")
    )
    threshold: float = parameter(
        0.05,
        "fukunaga_olsen: the share of the largest variance; ratio: the share of the total, "
        "e.g. 0.95",
        minimum=0.0,
        maximum=1.0,
    )
    average: Literal["harmonic", "mean", "median"] = parameter(
        "mean", "how the samples' dimensions are combined"
    )
    metric: Metric = metric_parameter()

    spec: ClassVar = DescriptorSpec(
        name="local_pca",
        version=1,
        family="intrinsic dimension",
        quantity="dimension",
        scale="neighbour rank",
        range=(0.0, math.inf),
        invariances=DIMENSION_INVARIANCES,
        minimum_n=3,
        summary="how many directions the neighbours of a sample spread in",
        formula="rule(eigenvalues of the covariance of a sample and its k neighbours), mean over i",
        cost="one neighbour table (k) and n k² (d + k)",
        citation=Citation(
            "Fukunaga & Olsen 1971",
            "@article{fukunaga1971algorithm,\n"
            "  title={An algorithm for finding intrinsic dimensionality of data},\n"
            "  author={Fukunaga, Keinosuke and Olsen, David R.},\n"
            "  journal={IEEE Transactions on Computers},\n  volume={C-20},\n"
            "  pages={176--183},\n  year={1971}\n}",
        ),
        pitfalls="With k below a few times d it measures k. Outliers and curvature add directions.",
    )

    @override
    def irrelevant(self) -> frozenset[str]:
        used = self.rule in ("fukunaga_olsen", "ratio")
        return frozenset() if used else frozenset({"threshold"})

    @property
    @override
    def declared(self) -> DescriptorSpec:
        spec = super().declared
        if self.rule in ("kaiser", "broken_stick"):
            spec = spec.but(invariances=spec.invariances - {"zero_columns"})
        return spec.but(minimum_n=self.k + 1)

    @override
    def neighbours_needed(self, n: int) -> int:
        return self.k

    @override
    def describe(self, sample: Sample) -> Curve:
        x, _ = sample.scaled_features()
        table = sample.neighbours(self.metric, self.k)
        variances = local_variances(x, table, self.k)
        values = dimensions_by_rule(variances, self.rule, self.threshold)
        return Curve((averaged(values, self.average, table, self.k, float(self.k)),))
