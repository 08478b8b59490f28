"""The best rotation of one representation onto another: what its measures share."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from typing_extensions import override

from repscape.compute.nuclear_norms import nuclear_norm, permuted_nuclear_norms
from repscape.errors import RepscapeError
from repscape.measures.base import RowsMeasure

_NEARLY_EQUAL = 1e-3


def rotation_distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """min_Q ‖aQ - b‖_F over rotations Q; the narrower side counts as padded with zeros."""
    total = float(a.square().sum() + b.square().sum())
    squared = total - 2.0 * nuclear_norm(a, b)
    # The difference of nearly equal numbers loses half the digits: measure the residual.
    return _residual(a, b) if squared < _NEARLY_EQUAL * total else math.sqrt(squared)


class RotationMeasure(RowsMeasure):
    """A measure that is a function of ‖aᵀb‖_*, for prepared factors a and b."""

    @property
    def takes_norms(self) -> bool:
        """Whether it is one with these parameters too, so that `of_norms` serves."""
        return True

    def of_norms(
        self, a: torch.Tensor, b: torch.Tensor, norms: torch.Tensor, orders: torch.Tensor
    ) -> torch.Tensor:
        """The scores of a and b in each of the orders (R, n), ‖aᵀ b[order]‖_* being known; (R,)."""
        raise NotImplementedError

    @override
    def permuted_scores(
        self, a: torch.Tensor, b: torch.Tensor, orders: torch.Tensor, memory_limit: int
    ) -> torch.Tensor:
        [norms] = permuted_nuclear_norms([a], b, orders)
        return self.of_norms(a, b, norms, orders)

    def permuted_pairs(
        self,
        states: Sequence[torch.Tensor],
        pairs: Sequence[tuple[int, int]],
        orders: torch.Tensor,
        memory_limit: int,
    ) -> list[torch.Tensor | RepscapeError]:
        """Each second side is put into every order once for all pairs that it is part of."""
        if not self.takes_norms:
            return super().permuted_pairs(states, pairs, orders, memory_limit)
        by_right: dict[int, list[int]] = {}
        for a, b in pairs:
            by_right.setdefault(b, []).append(a)
        found: dict[tuple[int, int], torch.Tensor | RepscapeError] = {}
        for b, left in by_right.items():
            norms = permuted_nuclear_norms([states[a] for a in left], states[b], orders)
            for a, one in zip(left, norms, strict=True):
                found[a, b] = self.of_norms(states[a], states[b], one, orders)
        return [found[pair] for pair in pairs]


def permuted_rotation_distances(
    a: torch.Tensor, b: torch.Tensor, norms: torch.Tensor, orders: torch.Tensor
) -> torch.Tensor:
    """`rotation_distance` of a and b[order] from ‖aᵀ b[order]‖_* of each of the orders; (R,)."""
    total = float(a.square().sum() + b.square().sum())
    squared = total - 2.0 * norms
    close = squared < _NEARLY_EQUAL * total
    distances = squared.masked_fill(close, 0.0).sqrt()
    for position in close.nonzero()[:, 0].tolist():
        distances[position] = _residual(a, b[orders[position].to(b.device)])
    return distances


def angle_of_chord(distance: float) -> float:
    """The angle between two unit vectors (at most a right angle) from their distance.

    Unlike arccos of their product it keeps its digits near 0.
    """
    return 2.0 * math.asin(distance / 2.0)


def _residual(a: torch.Tensor, b: torch.Tensor) -> float:
    u, _, vt = torch.linalg.svd(a.T @ b, full_matrices=True)
    width = max(a.shape[1], b.shape[1])
    difference = torch.zeros(a.shape[0], width, dtype=a.dtype, device=a.device)
    difference[:, : a.shape[1]] += a @ u
    difference[:, : b.shape[1]] -= b @ vt.T
    return float(difference.norm())
