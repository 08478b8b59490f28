"""Information imbalance: how well do the distances in one representation predict the other's?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from typing_extensions import override

from repscape.compute.arrays import row_blocks
from repscape.compute.memory import DEFAULT_MEMORY_LIMIT, parse_bytes
from repscape.compute.neighbour_ranks import neighbour_ranks
from repscape.compute.neighbours import NeighbourTable
from repscape.measures.base import MEASURES, Measure, MeasureSpec, Outcome, Request, Sweep
from repscape.measures.neighbour_family import (
    NEIGHBOUR_INVARIANCES,
    NeighbourMetric,
    SharedTable,
)
from repscape.registry import Citation, parameter


@dataclass(frozen=True, eq=False)
class Ordered:
    """The nearest neighbours of every sample, and the values, which rank all others."""

    table: NeighbourTable
    x: torch.Tensor
    metric: NeighbourMetric


_TARGET_BYTES = 4 + 8 + 8
"""What one neighbour to be ranked takes: its number, the same in 64 bits, and its rank."""


@MEASURES.register
@dataclass(frozen=True)
class InformationImbalance(Measure[Ordered]):
    """The information imbalance Δ(x → y) (Glielmo et al. 2022, equation 1).

    (2/n) times the mean rank in y of the k nearest neighbours that samples have in x: about
    (k + 1)/n where x predicts the neighbours in y, about 1 where it says nothing. Ranks are
    exact, from 1, by (distance, index), without the sample itself. Direction yx gives Δ(y → x),
    x and y being the first and the second argument of `compare`.
    """

    k: int = parameter(1, "number of neighbours", minimum=1)
    metric: NeighbourMetric = parameter("euclidean", "distance that ranks the samples")
    direction: Literal["xy", "yx"] = parameter(
        "xy", "xy: how well x predicts the neighbours in y; yx: how well y predicts those in x"
    )

    spec: ClassVar = MeasureSpec(
        name="information_imbalance",
        version=2,
        family="neighbours",
        kind="distance",
        range=(0.0, 2.0),
        symmetric=False,
        metric=False,
        self_is_best=False,
        invariances=NEIGHBOUR_INVARIANCES["euclidean"],
        minimum_n=2,
        summary="how well nearest neighbours in one predict those in the other",
        formula="2/n · mean rank in y of the k nearest neighbours in x",
        cost="n²d per representation, n²k per pair",
        chance="1",
        pitfalls=(
            "Neither direction is the other's negative: report both. The least value is (k+1)/n, "
            "not 0; at k = n-1 that is 1, whatever the data."
        ),
        citation=Citation(
            "Glielmo et al. 2022",
            "@article{glielmo2022ranking,\n"
            "  title={Ranking the information content of distance measures},\n"
            "  author={Glielmo, Aldo and Zeni, Claudio and Cheng, Bingqing and Cs{\\'a}nyi, "
            "G{\\'a}bor and Laio, Alessandro},\n"
            "  journal={PNAS Nexus},\n  volume={1},\n  number={2},\n  year={2022}\n}",
        ),
    )

    @property
    @override
    def declared(self) -> MeasureSpec:
        kept = NEIGHBOUR_INVARIANCES[self.metric]
        return self.spec.but(minimum_n=self.k + 1, invariances=kept)

    @property
    @override
    def sweep(self) -> Sweep:
        return imbalance_sweep

    @property
    @override
    def shared(self) -> SharedTable:
        return SharedTable(self.metric, self.k)

    @override
    def derive(self, formed: NeighbourTable, x: torch.Tensor) -> Ordered:
        return Ordered(formed.first(self.k), x, self.metric)

    @override
    def state_bytes(self, n: int, d: int) -> int:
        return self.shared.bytes(n)

    def null_bytes(self, n: int, d: int) -> int:
        """A permuted state holds a copy of the values."""
        return self.state_bytes(n, d) + 8 * n * d

    @override
    def permute(self, state: Ordered, order: torch.Tensor) -> Ordered:
        return Ordered(state.table.permute(order), state.x[order], state.metric)

    def expected(self, a: Ordered, b: Ordered) -> float:
        """1: ranks from 1 to n - 1 are n/2 in the mean."""
        return 1.0

    @override
    def compare(self, a: Ordered, b: Ordered) -> float:
        source, target = (a, b) if self.direction == "xy" else (b, a)
        limit = parse_bytes(DEFAULT_MEMORY_LIMIT)
        return _mean_ranks(target, [source.table], limit)[0] * 2.0 / a.table.n


def imbalance_sweep(requests: Sequence[Request], memory_limit: int) -> list[list[Outcome]]:
    """One pass over the distances of each representation ranks the neighbours of all others.

    Both directions of a pair, and exchanged pairs, ask for the same numbers, found once.
    """
    wanted = [[_source_and_target(request, pair) for pair in request.pairs] for request in requests]
    states = {id(s.table): s for pairs in wanted for pair in pairs for s in pair}
    sources_of: dict[int, dict[int, None]] = {}
    for source, target in (pair for pairs in wanted for pair in pairs):
        sources_of.setdefault(id(target.table), {})[id(source.table)] = None
    found: dict[tuple[int, int], float] = {}
    for target_id, sources in sources_of.items():
        tables = [states[source].table for source in sources]
        means = _mean_ranks(states[target_id], tables, memory_limit)
        found.update(zip(((source, target_id) for source in sources), means, strict=True))
    return [
        [
            found[id(source.table), id(target.table)] * 2.0 / source.table.n
            for source, target in pairs
        ]
        for pairs in wanted
    ]


def _source_and_target(request: Request, pair: tuple[int, int]) -> tuple[Ordered, Ordered]:
    measure = request.measure.core
    assert isinstance(measure, InformationImbalance)
    a, b = (request.states[index] for index in pair)
    return (a, b) if measure.direction == "xy" else (b, a)


def _mean_ranks(
    target: Ordered, tables: Sequence[NeighbourTable], memory_limit: int
) -> list[float]:
    """The mean rank in `target` of the neighbours in each table; tables as they fit."""
    n, k = tables[0].n, tables[0].k
    at_once = max(1, memory_limit // 2 // (_TARGET_BYTES * n * k))
    means: list[float] = []
    for part in row_blocks(len(tables), at_once):
        targets = torch.cat([table.indices for table in tables[part]], dim=1)
        ranks = neighbour_ranks(target.x, targets, target.metric, memory_limit // 2)
        totals = ranks.view(n, -1, k).sum(dim=(0, 2)).tolist()
        means += [total / (n * k) for total in totals]
    return means
