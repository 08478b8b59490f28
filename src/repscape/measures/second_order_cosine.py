"""Second-order cosine: are samples equally far from their neighbours in two representations?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch

from repscape.compute.arrays import row_blocks
from repscape.compute.exact import ExactDistances
from repscape.compute.neighbours import NeighbourTable, neighbours
from repscape.errors import UndefinedScoreError
from repscape.measures.base import MEASURES, Measure, MeasureSpec
from repscape.measures.neighbour_family import NEIGHBOUR_INVARIANCES, check_directions
from repscape.registry import Citation, parameter

_BLOCK_ROWS = 1024


@dataclass(frozen=True, eq=False)
class Surroundings:
    """The neighbours of every sample, and the distances to any others when asked for."""

    table: NeighbourTable
    distances: ExactDistances

    def to(self, i: slice, others: torch.Tensor) -> torch.Tensor:
        """The distances from samples i to `others` (one row for each), float64."""
        left = torch.arange(i.start, i.stop).repeat_interleave(others.shape[1])
        device = self.distances.x.device
        found = self.distances.pairs(left.to(device), others.flatten().long().to(device))
        return found.cpu().reshape(others.shape)


@MEASURES.register
@dataclass(frozen=True)
class SecondOrderCosine(Measure[Surroundings]):
    """Second-order cosine similarity.

    For every sample the cosine between two vectors: its cosine distances in x, and in y, to all
    samples that are among its k nearest neighbours (by cosine) in either. The score is the mean
    over samples.
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
            "compare with a permutation null."
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
    def declared(self) -> MeasureSpec:  # noqa: D102
        return self.spec.but(minimum_n=self.k + 1)

    def prepare(self, x: torch.Tensor) -> Surroundings:  # noqa: D102
        check_directions(x, "cosine")
        on_cpu = x.device.type == "cpu"
        distances = ExactDistances.of(x.contiguous(), "cosine", compiled=on_cpu)
        return Surroundings(neighbours(x, self.k, "cosine"), distances)

    def state_bytes(self, n: int, d: int) -> int:  # noqa: D102
        return 8 * n * d + 16 * n * self.k

    def permute(self, state: Surroundings, order: torch.Tensor) -> Surroundings:  # noqa: D102
        return Surroundings(state.table.permute(order), state.distances.permute(order))

    def compare(self, a: Surroundings, b: Surroundings) -> float:  # noqa: D102
        return float(torch.cat(list(self._cosines(a, b))).mean())

    def _cosines(self, a: Surroundings, b: Surroundings) -> Iterator[torch.Tensor]:
        for i in row_blocks(a.table.n, _BLOCK_ROWS):
            near_a, near_b = a.table.indices[i], b.table.indices[i]
            # Every sample of the union once: those of b that are not among those of a.
            new = ~(near_b[:, :, None] == near_a[:, None, :]).any(dim=2)
            from_a = torch.cat([a.table.distances[i], a.to(i, near_b) * new], dim=1)
            from_b = torch.cat([b.to(i, near_a), b.table.distances[i] * new], dim=1)
            norms = from_a.norm(dim=1) * from_b.norm(dim=1)
            if bool((norms == 0).any()):
                row = i.start + int((norms == 0).nonzero()[0])
                raise UndefinedScoreError(
                    f"sample {row} has the same direction as all its neighbours, so its distances "
                    "are 0 and their cosine does not exist: drop duplicates or use a larger k"
                )
            yield (from_a * from_b).sum(dim=1) / norms
