"""Edit distance between the lists of neighbours."""

from __future__ import annotations

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
class EditDistanceKNN(NeighbourMeasure):
    """1 - the mean Levenshtein distance between the lists of k nearest neighbours / k.

    Lists begin with the nearest; insertions, deletions and substitutions cost 1.
    """

    spec: ClassVar = MeasureSpec(
        name="edit_distance_knn",
        version=1,
        family="neighbours",
        kind="similarity",
        range=(0.0, 1.0),
        symmetric=True,
        metric=False,
        invariances=NEIGHBOUR_INVARIANCES["cosine"],
        minimum_n=2,
        summary="1 - mean edit distance of the lists of nearest neighbours / k",
        formula="1 - mean_i Levenshtein(A_i, B_i) / k",
        cost=NEIGHBOUR_COST,
        pitfalls=(
            "A similarity in spite of its name. Published numbers made with parallel loops lost "
            "most of the samples."
        ),
        citation=PLATONIC,
    )

    @override
    def compare(self, a: NeighbourTable, b: NeighbourTable) -> float:
        from repscape.compute.compiled_orders import edit_distances

        return 1.0 - float(edit_distances(a.indices.numpy(), b.indices.numpy()).mean()) / self.k
