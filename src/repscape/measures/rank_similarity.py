"""Do samples have the same neighbours in the same order? Two measures of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from typing_extensions import override

from repscape.compute.neighbours import NeighbourTable, overlap_counts
from repscape.measures.base import MEASURES, MeasureSpec
from repscape.measures.neighbour_family import (
    NEIGHBOUR_COST,
    NEIGHBOUR_INVARIANCES,
    NeighbourMeasure,
)
from repscape.registry import Citation

_WANG = Citation(
    "Wang et al. 2022",
    "@article{wang2022towards,\n"
    "  title={Towards Understanding the Instability of Network Embedding},\n"
    "  author={Wang, Chenxu and Rao, Wei and Guo, Wenna and Wang, Pinghui and Liu, Jun and Guan, "
    "Xiaohong},\n"
    "  journal={IEEE Transactions on Knowledge and Data Engineering},\n  year={2022}\n}",
)


@MEASURES.register
@dataclass(frozen=True)
class RankSimilarity(NeighbourMeasure):
    """How near are the places that shared neighbours have in both lists?

    The mean over samples of Σ_j 2 / ((1 + |r_j - r'_j|)(r_j + r'_j)) / H_m over the m shared
    neighbours j, with their places r_j and r'_j among the k nearest, from 1, and
    H_m = 1 + 1/2 + … + 1/m; 0 for a sample that shares none.
    """

    spec: ClassVar = MeasureSpec(
        name="rank_similarity",
        version=1,
        family="neighbours",
        kind="similarity",
        range=(0.0, 1.0),
        symmetric=True,
        metric=False,
        invariances=NEIGHBOUR_INVARIANCES["cosine"],
        minimum_n=2,
        summary="agreement of the places of shared neighbours",
        formula="mean_i sum_j 2 / ((1 + |r_j - r'_j|)(r_j + r'_j)) / H_m",
        cost=NEIGHBOUR_COST,
        pitfalls=(
            "Only shared neighbours count: one shared first neighbour gives a sample the value 1. "
            "rank_jaccard multiplies by the share of neighbours that are shared."
        ),
        citation=_WANG,
    )

    @override
    def compare(self, a: NeighbourTable, b: NeighbourTable) -> float:
        from repscape.compute.compiled_orders import rank_agreement

        return float(rank_agreement(a.indices.numpy(), b.indices.numpy()).mean())


@MEASURES.register
@dataclass(frozen=True)
class RankJaccard(NeighbourMeasure):
    """The mean over samples of the product of `knn_jaccard` and `rank_similarity`."""

    spec: ClassVar = MeasureSpec(
        name="rank_jaccard",
        version=1,
        family="neighbours",
        kind="similarity",
        range=(0.0, 1.0),
        symmetric=True,
        metric=False,
        invariances=NEIGHBOUR_INVARIANCES["cosine"],
        minimum_n=2,
        summary="Jaccard similarity times agreement of places, sample by sample",
        formula="mean_i Jaccard_i · rank similarity_i",
        cost=NEIGHBOUR_COST,
        pitfalls=("Depends on k/n, so values of data sets of other sizes do not compare."),
        citation=_WANG,
    )

    @override
    def compare(self, a: NeighbourTable, b: NeighbourTable) -> float:
        from repscape.compute.compiled_orders import rank_agreement

        common = overlap_counts(a.sets, b.sets).double()
        agreement = torch.from_numpy(rank_agreement(a.indices.numpy(), b.indices.numpy()))
        return float((common / (2 * self.k - common) * agreement).mean())
