"""Kendall's tau between the entries above the diagonal of two distance matrices, exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from repscape.compute.order import DistanceTile
from repscape.compute.ranks import condensed
from repscape.errors import UndefinedScoreError


@dataclass(frozen=True, eq=False)
class PairOrder:
    """The order of the N = n(n-1)/2 dissimilarities of one representation.

    Attributes
    ----------
    order : (N,) int32, on the CPU
        Pairs of samples by ascending dissimilarity.
    levels : (N,) int32, on the CPU
        For every pair the number of different smaller dissimilarities.
    tied : int
        How many pairs of dissimilarities are tied.
    """

    order: torch.Tensor
    levels: torch.Tensor
    tied: int

    @classmethod
    def of(cls, distance: DistanceTile, n: int) -> PairOrder:
        """Sort the dissimilarities."""
        values, order = condensed(distance, n).cpu().sort(stable=True)
        _, inverse, counts = torch.unique_consecutive(
            values, return_inverse=True, return_counts=True
        )
        levels = torch.empty(len(values), dtype=torch.int32)
        levels[order] = inverse.int()
        return cls(order.int(), levels, int((counts * (counts - 1) // 2).sum()))

    def permute(self, sample_order: torch.Tensor) -> PairOrder:
        """The same dissimilarities with new sample i being old sample sample_order[i]."""
        n = len(sample_order)
        i, j = torch.triu_indices(n, n, 1)
        first, second = sample_order[i], sample_order[j]
        low, high = torch.minimum(first, second), torch.maximum(first, second)
        # Pair (low, high) follows the pairs of all smaller first samples.
        old = low * (2 * n - low - 1) // 2 + high - low - 1
        place = torch.empty_like(self.order)
        place[old] = torch.arange(len(old), dtype=torch.int32)
        return PairOrder(place[self.order.long()], self.levels[old], self.tied)

    @staticmethod
    def bytes_for(n: int) -> int:
        """What one takes, with its share of what sorting and a comparison hold meanwhile."""
        return 24 * (n * (n - 1) // 2)


def kendall(a: PairOrder, b: PairOrder, correct_ties: bool) -> float:
    """Kendall's tau-a, or tau-b that corrects for ties, in O(N log N) (Knight 1966).

    tau-a = (C - D) / N₀ and tau-b = (C - D) / √((N₀ - T_a)(N₀ - T_b)) for C concordant and D
    discordant ones of the N₀ = N(N-1)/2 pairs of dissimilarities, T of them tied on a side.

    Raises `UndefinedScoreError` if all dissimilarities of one side are equal.
    """
    from repscape.compute.compiled_orders import count_discordant

    count = len(a.levels)
    everything = count * (count - 1) // 2
    if everything in (a.tied, b.tied):
        raise UndefinedScoreError(
            f"all {count} dissimilarities of a representation are equal, so they correlate with "
            "nothing"
        )
    by_a = a.order.long()
    discordant, tied_in_both = count_discordant(a.levels[by_a].numpy(), b.levels[by_a].numpy())
    difference = everything - a.tied - b.tied + int(tied_in_both) - 2 * int(discordant)
    if not correct_ties:
        return difference / everything
    return difference / math.sqrt(everything - a.tied) / math.sqrt(everything - b.tied)
