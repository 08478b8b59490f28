"""Averages of estimates made at every sample, with errors that allow for shared neighbours."""

from __future__ import annotations

import math
from typing import Literal

import torch

from repscape.compute.neighbours import NeighbourTable
from repscape.compute.threads import one_thread
from repscape.errors import UndefinedScoreError
from repscape.geometry.base import Reading
from repscape.geometry.standard_errors import error_inflation

Average = Literal["harmonic", "mean", "median"]


@one_thread()
def averaged(
    values: torch.Tensor, average: Average, table: NeighbourTable, k: int, scale: float
) -> Reading:
    """Average one value per sample, (n,) float64, made from its k nearest neighbours.

    The standard errors are those of the mean (of the inverses, for the harmonic mean) and, for
    the median, half the distance between the order statistics n/2 ± √n/2.
    """
    n = len(values)
    if average == "median":
        ordered = values.sort().values
        value = float(torch.quantile(values, 0.5))
        low, high = (n - math.sqrt(n)) / 2, (n + math.sqrt(n)) / 2
        independent = float(ordered[min(n - 1, int(high))] - ordered[int(low)]) / 2
        scores = torch.sign(values - value)
    else:
        terms = 1 / values if average == "harmonic" else values
        mean = float(terms.mean())
        value = 1 / mean if average == "harmonic" else mean
        scores = terms - mean
        independent = float(scores.square().sum() / max(1, n - 1) / n) ** 0.5
        if average == "harmonic":
            independent *= value**2
    if not math.isfinite(value):
        raise UndefinedScoreError(
            f"the {average} of the values at {n} samples does not exist: a sample has its "
            f"{k} neighbours at equal distances"
        )
    return Reading(
        value=value,
        scale=scale,
        standard_error=independent * error_inflation(scores, table, k),
        independent_error=independent,
        distance=float(table.distances[:, :k].mean()),
        samples=n,
        spread=float(values.std()) if n > 1 else None,
    )


def refuse_zero_distances(table: NeighbourTable) -> None:
    """Raise `UndefinedScoreError` if a sample has a neighbour at distance 0."""
    zeros = int((table.distances[:, 0] == 0).sum())
    if zeros:
        raise UndefinedScoreError(
            f"{zeros} of {table.n} samples are at distance 0 from their nearest neighbour, so "
            "ratios of distances do not exist: use duplicates='drop'"
        )
