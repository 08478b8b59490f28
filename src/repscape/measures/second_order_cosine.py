"""Second-order cosine: are samples equally far from their neighbours in two representations?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from typing_extensions import override

from repscape.compute.arrays import within_range
from repscape.compute.exact import ExactDistances
from repscape.compute.listed import listed_bytes, listed_distances
from repscape.compute.memory import DEFAULT_MEMORY_LIMIT, parse_bytes, show_bytes
from repscape.compute.neighbours import NeighbourTable
from repscape.errors import MemoryLimitError, UndefinedScoreError
from repscape.measures.base import MEASURES, Measure, MeasureSpec, Outcome, Request, Sweep
from repscape.measures.neighbour_family import NEIGHBOUR_INVARIANCES, SharedTable
from repscape.registry import Citation, parameter

_BLOCK_ROWS = 1024


@dataclass(frozen=True, eq=False)
class Surroundings:
    """The neighbours of every sample, and the distances to any others when asked for."""

    table: NeighbourTable
    distances: ExactDistances


@MEASURES.register
@dataclass(frozen=True)
class SecondOrderCosine(Measure[Surroundings]):
    """Second-order cosine similarity.

    For every sample the cosine between two vectors: its cosine distances in x, and in y, to all
    samples that are among its k nearest neighbours (by cosine) in either. The score is the mean
    over samples. (Hamilton et al. 2016 take cosine similarities in place of distances; the
    benchmarks of representational similarity take distances.)
    """

    k: int = parameter(10, "number of neighbours", minimum=1)

    spec: ClassVar = MeasureSpec(
        name="second_order_cosine",
        version=1,
        family="neighbours",
        kind="similarity",
        range=(0.0, 1.0),
        symmetric=True,
        metric=False,
        invariances=NEIGHBOUR_INVARIANCES["cosine"],
        minimum_n=2,
        summary="cosine between the distances to the neighbours in either representation",
        formula="mean_i cos(d_i, d'_i) over the union of both sets of nearest neighbours",
        cost="n²d per representation (its neighbours), n·k·d per pair",
        pitfalls=(
            "Near 1 even for unrelated representations, since distances are positive and alike: "
            "compare with a permutation null. The cited paper takes similarities to the "
            "neighbours, not distances."
        ),
        citation=Citation(
            "Hamilton et al. 2016",
            "@inproceedings{hamilton2016cultural,\n"
            "  title={Cultural Shift or Linguistic Drift? Comparing Two Computational Measures of "
            "Semantic Change},\n"
            "  author={Hamilton, William L and Leskovec, Jure and Jurafsky, Dan},\n"
            "  booktitle={EMNLP},\n  year={2016}\n}",
        ),
    )

    @property
    @override
    def declared(self) -> MeasureSpec:
        return self.spec.but(minimum_n=self.k + 1)

    @property
    @override
    def shared(self) -> SharedTable:
        return SharedTable("cosine", self.k)

    @property
    @override
    def sweep(self) -> Sweep:
        return cosine_sweep

    @override
    def derive(self, formed: NeighbourTable, x: torch.Tensor) -> Surroundings:
        on_cpu = x.device.type == "cpu"
        x, _ = within_range(x.contiguous())
        distances = ExactDistances.of(x, "cosine", compiled=on_cpu)
        return Surroundings(formed.first(self.k), distances)

    @override
    def state_bytes(self, n: int, d: int) -> int:
        return self.shared.bytes(n) + 8 * n

    def null_bytes(self, n: int, d: int) -> int:
        """A permuted state holds a copy of the values."""
        return self.state_bytes(n, d) + 8 * n * d

    @override
    def permute(self, state: Surroundings, order: torch.Tensor) -> Surroundings:
        return Surroundings(state.table.permute(order), state.distances.permute(order))

    @override
    def compare(self, a: Surroundings, b: Surroundings) -> float:
        request = Request(self, [a, b], [(0, 1)])
        [[outcome]] = cosine_sweep([request], parse_bytes(DEFAULT_MEMORY_LIMIT))
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def cosine_sweep(requests: Sequence[Request], memory_limit: int) -> list[list[Outcome]]:
    """Form each distance that any pair needs once, some samples at a time."""
    return [_sweep_one(request, memory_limit) for request in requests]


def _sweep_one(request: Request, memory_limit: int) -> list[Outcome]:
    states: Sequence[Surroundings] = request.states
    n, k = states[0].table.n, states[0].table.k
    partners: dict[int, list[int]] = {}
    for a, b in {(a, b) for pair in request.pairs for a, b in (pair, pair[::-1])}:
        partners.setdefault(a, []).append(b)
    pairs = [_Pair(states[a].table, states[b].table) for a, b in request.pairs]
    for start in range(0, n, rows := _rows_at_a_time(partners, k, n, memory_limit)):
        here = slice(start, min(start + rows, n))
        found: dict[tuple[int, int], torch.Tensor] = {}
        for a, others in partners.items():
            lists = [states[b].table.indices for b in others]
            distances = listed_distances(states[a].distances, states[a].table, lists, here)
            found.update(((a, b), part) for b, part in zip(others, distances, strict=True))
        for pair, (a, b) in zip(pairs, request.pairs, strict=True):
            pair.add(here, found[a, b], found[b, a])
    return [pair.outcome() for pair in pairs]


def _rows_at_a_time(partners: dict[int, list[int]], k: int, n: int, memory_limit: int) -> int:
    lists = sum(len(others) for others in partners.values())
    row_bytes = 8 * k * lists + listed_bytes(max(len(others) for others in partners.values()), k)
    # Two integers for every sample tell which pairs have been listed.
    left = memory_limit - 16 * n
    if left < row_bytes:
        raise MemoryLimitError(
            f"second_order_cosine: the distances of one sample to its neighbours in all others, "
            f"k={k}, take {show_bytes(row_bytes)}, but {show_bytes(max(left, 0))} of memory_limit "
            "are left: raise it, or compare fewer representations at once"
        )
    return min(_BLOCK_ROWS, left // row_bytes)


class _Pair:
    """The cosines of one pair, added up sample by sample."""

    def __init__(self, a: NeighbourTable, b: NeighbourTable) -> None:
        self.a, self.b = a, b
        self._total, self._without = 0.0, -1

    def add(self, rows: slice, a_to_b: torch.Tensor, b_to_a: torch.Tensor) -> None:
        """Add those of some samples, given the distances in a to the neighbours in b."""
        from repscape.compute.compiled_orders import add_cosines

        if self._without >= 0:
            return
        a, b = self.a, self.b
        lists = (a.indices[rows].numpy(), b.indices[rows].numpy())
        in_a = (a.distances[rows].numpy(), a_to_b.numpy())
        in_b = (b_to_a.numpy(), b.distances[rows].numpy())
        self._total, without = add_cosines(*lists, *in_a, *in_b, self._total)
        self._without = -1 if without < 0 else rows.start + without

    def outcome(self) -> Outcome:
        """The mean, or the sample that has no cosine."""
        if self._without < 0:
            return self._total / self.a.n
        return UndefinedScoreError(
            f"sample {self._without} has the same direction as all its neighbours, so its "
            "distances are 0 and their cosine does not exist: drop duplicates or use a larger k"
        )
