"""Information imbalance: how well distances in one representation predict those in another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from repscape.compute.exact import Metric
from repscape.compute.neighbour_ranks import neighbour_ranks
from repscape.compute.neighbours import DEFAULT_MEMORY_LIMIT, NeighbourTable
from repscape.errors import InvalidParameterError, SampleMismatchError
from repscape.geometry.base import Reading
from repscape.geometry.standard_errors import error_inflation


def information_imbalance(
    a: NeighbourTable,
    b: torch.Tensor,
    k: int = 1,
    metric: Metric = "euclidean",
    memory_limit: str | float = DEFAULT_MEMORY_LIMIT,
) -> Reading:
    """Δ(A→B) = (2/n) ⟨rank in B of the k nearest neighbours in A⟩, exactly.

    2/n (for k = 1) where A predicts B, 1 where it tells nothing about it; not symmetric
    (Glielmo et al. 2022, equation 1). Ranks are from 1, ties broken by index. It depends on n.

    Parameters
    ----------
    a
        The neighbours in A of the same samples, at least k.
    b
        (n, d) the values of B.
    k
        How many neighbours in A are ranked in B.
    metric
        Of the distances in B.

    Raises
    ------
    SampleMismatchError
        A and B have different numbers of samples.
    """
    return imbalances_onto([a], b, k, metric, memory_limit)[0]


def imbalances_onto(
    several: Sequence[NeighbourTable],
    b: torch.Tensor,
    k: int = 1,
    metric: Metric = "euclidean",
    memory_limit: str | float = DEFAULT_MEMORY_LIMIT,
) -> list[Reading]:
    """Δ(A→B) of several A onto one B, in one pass over the distances of B."""
    wrong = [table.n for table in several if table.n != len(b)]
    if wrong:
        raise SampleMismatchError(
            f"A has {wrong[0]} samples and B has {len(b)}: give the same samples in the same order"
        )
    if k < 1:
        raise InvalidParameterError(f"k={k}: at least one neighbour is ranked")
    targets = torch.cat([table.first(k).indices for table in several], dim=1)
    ranks = neighbour_ranks(b, targets, metric, memory_limit).double()
    return [
        _reading(ranks[:, position * k : (position + 1) * k], table, k)
        for position, table in enumerate(several)
    ]


def imbalance_plane(
    tables: Sequence[NeighbourTable],
    values: Sequence[torch.Tensor],
    k: int = 1,
    metric: Metric = "euclidean",
    memory_limit: str | float = DEFAULT_MEMORY_LIMIT,
) -> Mapping[tuple[int, int], Reading]:
    """Δ(a→b) for every ordered pair of different positions: one pass for each b."""
    found = {}
    for b, onto in enumerate(values):
        others = [a for a in range(len(tables)) if a != b]
        readings = imbalances_onto([tables[a] for a in others], onto, k, metric, memory_limit)
        found.update({(a, b): r for a, r in zip(others, readings, strict=True)})
    return found


def _reading(ranks: torch.Tensor, table: NeighbourTable, k: int) -> Reading:
    n = len(ranks)
    shares = ranks.mean(dim=1) * (2 / n)
    scores = shares - shares.mean()
    independent = float(scores.square().sum() / max(1, n - 1) / n) ** 0.5
    return Reading(
        value=float(shares.mean()),
        scale=float(k),
        standard_error=independent * error_inflation(scores, table, k),
        independent_error=independent,
        samples=n,
        spread=float(shares.std()) if n > 1 else None,
        chance=1.0,
    )
