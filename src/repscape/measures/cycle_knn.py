"""Cycle kNN: does a step to a neighbour in one and back in the other lead home?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from typing_extensions import override

from repscape.compute.neighbours import NeighbourTable
from repscape.measures.base import MEASURES, MeasureSpec
from repscape.measures.neighbour_family import (
    NEIGHBOUR_INVARIANCES,
    PLATONIC,
    NeighbourMeasure,
)
from repscape.registry import parameter


@MEASURES.register
@dataclass(frozen=True)
class CycleKNN(NeighbourMeasure):
    """The share of samples i with i ∈ ∪ A(j) over j ∈ B(i), for direction xy.

    A and B are the sets of k nearest neighbours in x and y, the first and the second argument
    of `compare`; direction yx exchanges them.
    """

    k: int = parameter(2, "number of neighbours", minimum=1)
    direction: Literal["xy", "yx"] = parameter(
        "xy", "xy: out by the neighbours in y, home by those in x; yx: the reverse"
    )

    spec: ClassVar = MeasureSpec(
        name="cycle_knn",
        version=1,
        family="neighbours",
        kind="similarity",
        range=(0.0, 1.0),
        symmetric=False,
        metric=False,
        self_is_best=False,
        invariances=NEIGHBOUR_INVARIANCES["cosine"],
        minimum_n=2,
        summary="share of samples that a step in one and back in the other leads home",
        formula="share of i with i in the union of A(j) over j in B(i)",
        cost="n²d per representation (its neighbours), n·k² per pair",
        pitfalls=(
            "Saturates at 1 for related representations unless k is small, and for any at k = n-1. "
            "A representation does not reach 1 with itself where neighbours are not mutual."
        ),
        citation=PLATONIC,
    )

    @override
    def compare(self, a: NeighbourTable, b: NeighbourTable) -> float:
        from repscape.compute.compiled_orders import returns

        there, back = (b, a) if self.direction == "xy" else (a, b)
        return float(returns(there.indices.numpy(), back.indices.numpy())) / a.n
