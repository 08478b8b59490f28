"""What the measures of the neighbour family share: one table of neighbours per representation."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from typing_extensions import override

from repscape.compute.arrays import check_not_constant
from repscape.compute.neighbours import DEFAULT_MEMORY_LIMIT, NeighbourTable, neighbours
from repscape.errors import UndefinedScoreError
from repscape.measures.base import Measure, MeasureSpec
from repscape.registry import Citation, parameter

NeighbourMetric: TypeAlias = Literal["cosine", "euclidean"]

NEIGHBOUR_INVARIANCES: dict[str, frozenset[str]] = {
    "cosine": frozenset({"orthogonal", "permutation", "isotropic_scaling"}),
    "euclidean": frozenset({"orthogonal", "permutation", "isotropic_scaling", "translation"}),
}
PLATONIC = Citation(
    "Huh et al. 2024",
    "@inproceedings{huh2024platonic,\n"
    "  title={The Platonic Representation Hypothesis},\n"
    "  author={Huh, Minyoung and Cheung, Brian and Wang, Tongzhou and Isola, Phillip},\n"
    "  booktitle={ICML},\n  year={2024}\n}",
)
NEIGHBOUR_COST = "n²d per representation (its neighbours), n·k per pair"


@dataclass(frozen=True)
class SharedTable:
    """The table of the `size` nearest neighbours by `metric`; its first columns serve smaller k."""

    metric: NeighbourMetric
    size: int

    @property
    def key(self) -> Hashable:
        """By metric: a larger table serves a smaller k."""
        return "neighbours", self.metric

    def form(
        self, x: torch.Tensor, memory_limit: str | float = DEFAULT_MEMORY_LIMIT
    ) -> NeighbourTable:
        """Search the neighbours of all rows of x, holding no more than the limit beside them."""
        check_directions(x, self.metric)
        return neighbours(x, self.size, self.metric, memory_limit)

    def bytes(self, n: int) -> int:
        """The table, and its neighbours once more by ascending index."""
        return 16 * n * self.size


@dataclass(frozen=True)
class NeighbourMeasure(Measure[NeighbourTable]):
    """A measure of two tables of the k nearest neighbours of every sample, itself left out.

    Neighbours are ordered by (distance, index); duplicated samples are kept.
    """

    k: int = parameter(10, "number of neighbours", minimum=1)
    metric: NeighbourMetric = parameter("cosine", "distance by which neighbours are nearest")

    @property
    def shared(self) -> SharedTable:
        """One table of neighbours serves every measure of the family."""
        return SharedTable(self.metric, self.k)

    @property
    @override
    def declared(self) -> MeasureSpec:
        kept = NEIGHBOUR_INVARIANCES[self.metric]
        return self.spec.but(minimum_n=self.k + 1, invariances=kept)

    @override
    def derive(self, formed: NeighbourTable, x: torch.Tensor) -> NeighbourTable:
        return formed.first(self.k)

    def prepare_for_subsets(self, x: torch.Tensor) -> NeighbourTable:
        """A longer table, from which neighbours can be missing."""
        return SharedTable(self.metric, longer(self.k, len(x))).form(x)

    def subset(self, state: NeighbourTable, rows: torch.Tensor) -> NeighbourTable | None:
        """The first k of the listed neighbours that are left."""
        return state.subset(rows, self.k)

    @override
    def state_bytes(self, n: int, d: int) -> int:
        return self.shared.bytes(n)

    @override
    def permute(self, state: NeighbourTable, order: torch.Tensor) -> NeighbourTable:
        return state.permute(order)


def longer(k: int, n: int) -> int:
    """How many neighbours to list so that k of them are left in a random half of the samples."""
    return min(n - 1, 6 * k + 20)


def check_directions(x: torch.Tensor, metric: str) -> None:
    """Raise `UndefinedScoreError` where nothing but the index would order the neighbours."""
    check_not_constant(x)
    if metric == "cosine" and x.shape[1] == 1:
        raise UndefinedScoreError(
            "with one feature the cosine of two samples is 1 or -1, so the nearest are not "
            "determined: use metric=euclidean"
        )
