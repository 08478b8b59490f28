"""Ratios of neighbour distances, ln(r_b / r_a): what most dimension estimates are made of."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from repscape.compute.neighbours import NeighbourTable
from repscape.errors import UndefinedScoreError


@dataclass(frozen=True, eq=False)
class LogRatios:
    """ln(r_b / r_a) of the samples for which it exists.

    Attributes
    ----------
    values : (m,) float64
        Not negative; of the samples with r_a > 0.
    rows : (m,) int64
        Which samples.
    zeros : int
        How many samples were left out because r_a = 0.
    distance : float
        The mean of (r_a + r_b) / 2 over the samples used.
    """

    values: torch.Tensor
    rows: torch.Tensor
    zeros: int
    distance: float


def log_ratios(table: NeighbourTable, a: int, b: int) -> LogRatios:
    """The log ratios of the b-th to the a-th neighbour distance (ranks from 1).

    Samples with r_a = 0, which only duplicates have, are left out and counted.

    Raises `UndefinedScoreError` if none is left, or if all ratios are 1.
    """
    near, far = table.distances[:, a - 1], table.distances[:, b - 1]
    rows = (near > 0).nonzero()[:, 0]
    if len(rows) == 0:
        raise UndefinedScoreError(
            f"all {table.n} samples have their {a}. neighbour at distance 0: they are duplicates; "
            "use duplicates='drop'"
        )
    near, far = near[rows], far[rows]
    values = far.log() - near.log()
    # Close to 1 the logarithm of the ratio keeps the digits that a difference loses.
    values = torch.where(far < 2 * near, torch.log1p((far - near) / near), values)
    if not bool((values > 0).any()):
        raise UndefinedScoreError(
            f"the {a}. and {b}. neighbour of every sample are equally far (a lattice?), so no "
            "dimension follows from their ratio"
        )
    distance = float((near + far).mean()) / 2
    return LogRatios(values, rows, table.n - len(rows), distance)


def scattered(scores: torch.Tensor, rows: torch.Tensor, n: int) -> torch.Tensor:
    """Scores of some samples as scores of all n, 0 for the others."""
    everywhere = torch.zeros(n, dtype=torch.float64)
    everywhere[rows] = scores
    return everywhere


def zeros_note(zeros: int) -> tuple[str, ...]:
    """The note about samples left out at distance zero, if there are any."""
    if not zeros:
        return ()
    return (f"{zeros} samples at distance 0 from a neighbour were left out",)
