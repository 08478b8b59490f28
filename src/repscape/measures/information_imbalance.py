"""Information imbalance: how well do the distances in one representation predict the other's?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from repscape.compute.arrays import row_blocks
from repscape.compute.gram import Matrix
from repscape.compute.neighbours import NeighbourTable, neighbours
from repscape.compute.ranks import settle
from repscape.measures.base import MEASURES, Measure, MeasureSpec, Outcome, Request, Sweep
from repscape.measures.neighbour_family import (
    NEIGHBOUR_INVARIANCES,
    NeighbourMetric,
    check_directions,
)
from repscape.measures.rdm import dissimilarities
from repscape.registry import Citation, parameter

_BLOCK_ENTRIES = 2**21


@dataclass(frozen=True, eq=False)
class Ordered:
    """The nearest neighbours of every sample, and the distances to all others block by block."""

    table: NeighbourTable
    matrix: Matrix

    def blocks(self) -> Iterator[tuple[slice, torch.Tensor]]:
        """Yield the float64 distances from some samples to all; those within rounding are ties."""
        n = self.matrix.n
        for i in row_blocks(n, max(1, _BLOCK_ENTRIES // n)):
            yield i, settle(self.matrix.tile(i, slice(0, n)))


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
        version=1,
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
            "not 0."
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
    def declared(self) -> MeasureSpec:  # noqa: D102
        kept = NEIGHBOUR_INVARIANCES[self.metric]
        return self.spec.but(minimum_n=self.k + 1, invariances=kept)

    @property
    def sweep(self) -> Sweep:  # noqa: D102
        return imbalance_sweep

    def state_bytes(self, n: int, d: int) -> int:  # noqa: D102
        return 8 * n * d + 32 * n + 12 * n * self.k

    def prepare(self, x: torch.Tensor) -> Ordered:  # noqa: D102
        check_directions(x, self.metric)
        rdm = "sqeuclidean" if self.metric == "euclidean" else "cosine"
        return Ordered(neighbours(x, self.k, self.metric), dissimilarities(x.double(), rdm))

    def permute(self, state: Ordered, order: torch.Tensor) -> Ordered:  # noqa: D102
        return Ordered(state.table.permute(order), state.matrix.permute(order))

    def expected(self, a: Ordered, b: Ordered) -> float:
        """1: ranks from 1 to n - 1 are n/2 in the mean."""
        return 1.0

    def compare(self, a: Ordered, b: Ordered) -> float:  # noqa: D102
        source, target = (a, b) if self.direction == "xy" else (b, a)
        return _mean_ranks(target, [source.table])[0] * 2.0 / a.table.n


def imbalance_sweep(requests: Sequence[Request], memory_limit: int) -> list[list[Outcome]]:
    """One pass over the distances of each representation ranks the neighbours of all others."""
    return [_sweep_one(request) for request in requests]


def _sweep_one(request: Request) -> list[Outcome]:
    measure = request.measure.core
    assert isinstance(measure, InformationImbalance)
    forward = measure.direction == "xy"
    pairs = [(a, b) if forward else (b, a) for a, b in request.pairs]
    found: dict[tuple[int, int], float] = {}
    for target in sorted({b for _, b in pairs}):
        sources = sorted({a for a, b in pairs if b == target})
        state = request.states[target]
        means = _mean_ranks(state, [request.states[a].table for a in sources])
        for source, mean in zip(sources, means, strict=True):
            found[source, target] = mean * 2.0 / state.table.n
    return [found[pair] for pair in pairs]


def _mean_ranks(target: Ordered, tables: Sequence[NeighbourTable]) -> list[float]:
    """The mean rank in `target` of the neighbours in each table."""
    from repscape.compute.compiled_orders import ranks_among

    totals = [0] * len(tables)
    for i, distances in target.blocks():
        block = distances.cpu().numpy()
        for position, table in enumerate(tables):
            ranks = ranks_among(block, i.start, table.indices[i].numpy())
            totals[position] += int(ranks.sum())
    return [total / (table.n * table.k) for total, table in zip(totals, tables, strict=True)]
