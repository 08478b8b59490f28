"""Jaccard similarity of the neighbours that every sample has in two representations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from repscape.compute.neighbours import NeighbourTable, overlap_counts
from repscape.measures.base import MEASURES, MeasureSpec
from repscape.measures.neighbour_family import (
    NEIGHBOUR_COST,
    NEIGHBOUR_INVARIANCES,
    NeighbourMeasure,
)
from repscape.registry import Citation


@MEASURES.register
@dataclass(frozen=True)
class KNNJaccard(NeighbourMeasure):
    """The mean over samples i of |A_i ∩ B_i| / |A_i ∪ B_i|, sets of k nearest neighbours."""

    spec: ClassVar = MeasureSpec(
        name="knn_jaccard",
        version=1,
        family="neighbours",
        kind="similarity",
        range=(0.0, 1.0),
        symmetric=True,
        metric=False,
        invariances=NEIGHBOUR_INVARIANCES["cosine"],
        minimum_n=2,
        summary="mean Jaccard similarity of the sets of nearest neighbours",
        formula="mean_i |A_i ∩ B_i| / |A_i ∪ B_i|",
        cost=NEIGHBOUR_COST,
        chance="about k / (2(n-1) - k)",
        pitfalls=(
            "Depends on k/n, so values of data sets of other sizes do not compare; at k = n-1 any "
            "two representations score 1. Smaller than mutual_knn, which divides by k."
        ),
        citation=Citation(
            "Schumacher et al. 2021",
            "@inproceedings{schumacher2021effects,\n"
            "  title={The Effects of Randomness on the Stability of Node Embeddings},\n"
            "  author={Schumacher, Tobias and Wolf, Hinrikus and Ritzert, Martin and Lemmerich, "
            "Florian and Grohe, Martin and Strohmaier, Markus},\n"
            "  booktitle={ECML PKDD Workshops},\n  year={2021}\n}",
        ),
    )

    @override
    def compare(self, a: NeighbourTable, b: NeighbourTable) -> float:
        common = overlap_counts(a.sets, b.sets).double()
        return float((common / (2 * self.k - common)).mean())
