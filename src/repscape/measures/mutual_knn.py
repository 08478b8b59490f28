"""Mutual nearest neighbours: the share of neighbours that two representations have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from typing_extensions import override

from repscape.compute.arrays import check_distances, check_not_constant
from repscape.compute.neighbours import NeighbourTable, neighbours_of_distances, overlap_counts
from repscape.compute.permuted import permuted_overlaps
from repscape.compute.permuted_pairs import overlap_table_bytes, permuted_pair_overlaps, together
from repscape.errors import RepscapeError
from repscape.measures.base import MEASURES, Measure, MeasureSpec
from repscape.measures.neighbour_family import (
    NEIGHBOUR_COST,
    NEIGHBOUR_INVARIANCES,
    PLATONIC,
    SharedTable,
    longer,
)
from repscape.registry import parameter


@MEASURES.register
@dataclass(frozen=True)
class MutualKNN(Measure[NeighbourTable]):
    """The mean over samples i of |A_i ∩ B_i| / k, sets of k nearest neighbours.

    Huh et al. 2024, equation 11. With metric=euclidean also known as the neighbourhood overlap
    of two layers. With metric=precomputed the values given are the n×n matrix of distances:
    symmetric, not negative, with a zero diagonal. Neighbours are ordered by (distance, index), the
    sample itself left out; duplicated samples are kept.
    """

    k: int = parameter(10, "number of neighbours", minimum=1)
    metric: Literal["cosine", "euclidean", "precomputed"] = parameter(
        "cosine",
        "distance by which neighbours are nearest; precomputed: the values are the n×n distances",
    )

    spec: ClassVar = MeasureSpec(
        name="mutual_knn",
        version=1,
        family="neighbours",
        kind="similarity",
        range=(0.0, 1.0),
        symmetric=True,
        metric=False,
        invariances=NEIGHBOUR_INVARIANCES["cosine"],
        minimum_n=2,
        summary="mean share of nearest neighbours in common",
        formula="mean_i |A_i ∩ B_i| / k",
        cost=NEIGHBOUR_COST,
        chance="k / (n-1)",
        pitfalls=(
            "Depends on k/n, so values of data sets of other sizes do not compare; it sees local "
            "structure only. Duplicated samples take each other's places among the neighbours. At "
            "k = n-1 everybody is a neighbour and any two representations score 1."
        ),
        citation=PLATONIC,
    )

    @property
    @override
    def shared(self) -> SharedTable | None:
        return None if self.metric == "precomputed" else SharedTable(self.metric, self.k)

    @property
    @override
    def declared(self) -> MeasureSpec:
        kept = NEIGHBOUR_INVARIANCES.get(self.metric, frozenset())
        return self.spec.but(minimum_n=self.k + 1, invariances=kept)

    @override
    def prepare(self, x: torch.Tensor) -> NeighbourTable:
        if self.metric == "precomputed":
            check_not_constant(x)
            check_distances(x)
            return neighbours_of_distances(x, self.k)
        return super().prepare(x)

    @override
    def derive(self, formed: NeighbourTable, x: torch.Tensor) -> NeighbourTable:
        return formed.first(self.k)

    def prepare_for_subsets(self, x: torch.Tensor) -> NeighbourTable:
        """A longer table, from which neighbours can be missing."""
        return replace(self, k=longer(self.k, len(x))).prepare(x)

    def subset(self, state: NeighbourTable, rows: torch.Tensor) -> NeighbourTable | None:
        """The first k of the listed neighbours that are left."""
        return state.subset(rows, self.k)

    def state_bytes(self, n: int, d: int) -> int:
        """The table, and its neighbours once more by ascending index."""
        return 16 * n * self.k

    @override
    def permute(self, state: NeighbourTable, order: torch.Tensor) -> NeighbourTable:
        return state.permute(order)

    def permuted_scores(
        self, a: NeighbourTable, b: NeighbourTable, orders: torch.Tensor, memory_limit: int
    ) -> torch.Tensor:
        """Neighbours are looked up by their new names; no list is rewritten."""
        return permuted_overlaps(a.indices, b.sets, orders).double() / (self.k * a.n)

    def permuted_pairs(
        self,
        states: Sequence[NeighbourTable],
        pairs: Sequence[tuple[int, int]],
        orders: torch.Tensor,
        memory_limit: int,
    ) -> list[torch.Tensor | RepscapeError]:
        """One table of who is whose neighbour in which representation serves all pairs."""
        if not together(pairs) or 2 * overlap_table_bytes(states[0].n) > memory_limit:
            return super().permuted_pairs(states, pairs, orders, memory_limit)
        common = permuted_pair_overlaps([state.indices for state in states], pairs, orders)
        return list(common.double() / (self.k * states[0].n))

    def expected(self, a: NeighbourTable, b: NeighbourTable) -> float:
        """k / (n - 1): every other sample is as likely as any to be a neighbour."""
        return self.k / (a.n - 1)

    @override
    def compare(self, a: NeighbourTable, b: NeighbourTable) -> float:
        common = overlap_counts(a.sets, b.sets)
        return int(common.sum()) / (self.k * a.n)
