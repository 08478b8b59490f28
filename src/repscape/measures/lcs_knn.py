"""Longest common subsequence of the lists of neighbours."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from repscape.compute.neighbours import NeighbourTable
from repscape.measures.base import MEASURES, MeasureSpec
from repscape.measures.neighbour_family import (
    NEIGHBOUR_COST,
    NEIGHBOUR_INVARIANCES,
    PLATONIC,
    NeighbourMeasure,
)


@MEASURES.register
@dataclass(frozen=True)
class LCSKNN(NeighbourMeasure):
    """The mean length of the longest common subsequence of the lists of k nearest neighbours.

    Lists begin with the nearest; the length is not divided by k.
    """

    spec: ClassVar = MeasureSpec(
        name="lcs_knn",
        version=1,
        family="neighbours",
        kind="similarity",
        range=(0.0, math.inf),
        symmetric=True,
        metric=False,
        invariances=NEIGHBOUR_INVARIANCES["cosine"],
        minimum_n=2,
        summary="mean longest common subsequence of the lists of nearest neighbours",
        formula="mean_i LCS(A_i, B_i)",
        cost=NEIGHBOUR_COST,
        pitfalls=(
            "A length from 0 to k, not a share of k. Published numbers made with parallel loops "
            "lost most of the samples."
        ),
        citation=PLATONIC,
    )

    @property
    @override
    def declared(self) -> MeasureSpec:
        return super().declared.but(range=(0.0, float(self.k)))

    @override
    def compare(self, a: NeighbourTable, b: NeighbourTable) -> float:
        from repscape.compute.compiled_orders import common_subsequences

        return float(common_subsequences(a.indices.numpy(), b.indices.numpy()).mean())
