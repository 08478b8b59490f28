"""Correlations of dissimilarities over bootstrap samples, without pairs of a sample and its copy.

In a bootstrap sample in which sample i occurs w_i times, the pair {i, j}, i ≠ j, occurs w_i w_j
times, and the pairs of sample i with its own copies are left out: they are at distance 0 in both
representations by construction (Kriegeskorte et al. 2008; Nili et al. 2014).
"""

from __future__ import annotations

import math

import torch

from repscape.errors import UndefinedScoreError


def above_diagonal(matrix: torch.Tensor) -> torch.Tensor:
    """The entries (i, j), i < j, of an n×n matrix row by row, float64."""
    i, j = torch.triu_indices(len(matrix), len(matrix), 1)
    return matrix[i, j].double()


def pair_weights(counts: torch.Tensor) -> torch.Tensor:
    """How often each pair i < j occurs, from how often each sample does, (n,)."""
    i, j = torch.triu_indices(len(counts), len(counts), 1)
    return (counts[i] * counts[j]).double()


class WeightedRanks:
    """Average ranks of the same values in many bootstrap samples; sorted once."""

    def __init__(self, values: torch.Tensor) -> None:
        _, self._levels = torch.unique(values, return_inverse=True)
        self._count = int(self._levels.max()) + 1

    def __call__(self, weights: torch.Tensor) -> torch.Tensor:
        """The average rank of each value where value p occurs weights[p] times."""
        held = torch.zeros(self._count, dtype=torch.float64).index_add_(0, self._levels, weights)
        ranks = held.cumsum(0) - (held - 1.0) / 2.0
        return ranks[self._levels]


def weighted_correlation(
    a: torch.Tensor, b: torch.Tensor, weights: torch.Tensor, centred: bool
) -> float:
    """Σ w a b / √(Σ w a² Σ w b²), of the deviations from the weighted means if centred."""
    total = weights.sum()
    if centred:
        a, b = (v - torch.dot(weights, v) / total for v in (a, b))
    own_a, own_b = float(torch.dot(weights, a * a)), float(torch.dot(weights, b * b))
    if not (own_a > 0.0 and own_b > 0.0):
        raise UndefinedScoreError(
            "in a bootstrap sample all dissimilarities of a representation are equal: use more "
            "samples, or interval='jackknife'"
        )
    return float(torch.dot(weights, a * b)) / math.sqrt(own_a) / math.sqrt(own_b)
