"""The best rotation of one representation onto another: what its measures share."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from typing_extensions import override

from repscape.compute.nuclear_norms import nuclear_norm, permuted_nuclear_norms
from repscape.errors import RepscapeError
from repscape.measures.base import RowsMeasure
from repscape.measures.compared_nulls import NO_OTHERS, ComparedNulls

_NEARLY_EQUAL = 1e-3
_TIE = 4e-11
"""Scores nearer to each other than this part of their size may count as ties."""


def rotation_distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """min_Q ‖aQ - b‖_F over rotations Q; the narrower side counts as padded with zeros."""
    total = float(a.square().sum() + b.square().sum())
    squared = total - 2.0 * nuclear_norm(a, b)
    # The difference of nearly equal numbers loses half the digits: measure the residual.
    return _residual(a, b) if squared < _NEARLY_EQUAL * total else math.sqrt(squared)


class RotationMeasure(RowsMeasure, ComparedNulls):
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
        return self._scores(a, b, orders, *norms, NO_OTHERS)

    @override
    def permuted_pairs(
        self,
        states: Sequence[torch.Tensor],
        pairs: Sequence[tuple[int, int]],
        orders: torch.Tensor,
        memory_limit: int,
    ) -> list[torch.Tensor | RepscapeError]:
        return self.compared_pairs(states, pairs, orders, memory_limit, [NO_OTHERS] * len(pairs))

    @override
    def compared_pairs(
        self,
        states: Sequence[torch.Tensor],
        pairs: Sequence[tuple[int, int]],
        orders: torch.Tensor,
        memory_limit: int,
        against: Sequence[torch.Tensor | None],
    ) -> list[torch.Tensor | RepscapeError]:
        """Each second side is put into every order once for all pairs that it is part of."""
        if not self.takes_norms:
            return super().permuted_pairs(states, pairs, orders, memory_limit)
        by_right: dict[int, list[int]] = {}
        for position, (_, b) in enumerate(pairs):
            by_right.setdefault(b, []).append(position)
        found: dict[int, torch.Tensor] = {}
        for b, positions in by_right.items():
            left = [states[pairs[position][0]] for position in positions]
            every = permuted_nuclear_norms(left, states[b], orders)
            for position, a, norms in zip(positions, left, every, strict=True):
                found[position] = self._scores(a, states[b], orders, *norms, against[position])
        return [found[position] for position in range(len(pairs))]

    def _scores(
        self,
        a: torch.Tensor,
        b: torch.Tensor,
        orders: torch.Tensor,
        norms: torch.Tensor,
        errors: torch.Tensor,
        against: torch.Tensor | None,
    ) -> torch.Tensor:
        """The scores of a and b in each of the orders; those that could be mistaken, exactly.

        Of a norm it is known how wrong it may be. If the first score, or one of `against`, is
        in the range of scores that this leaves, the singular values are summed.
        """
        norms[0], errors[0] = nuclear_norm(a, b[orders[0]]), 0.0
        scores = self.of_norms(a, b, norms, orders)
        wanted = errors > 0
        if against is not None:
            ends = torch.stack([self.of_norms(a, b, norms + e, orders) for e in (-errors, errors)])
            wanted &= _any_within(ends, torch.cat([scores[:1], against]), self.declared.range[1])
        for position in wanted.nonzero()[:, 0].tolist():
            norms[position] = nuclear_norm(a, b[orders[position]])
        return self.of_norms(a, b, norms, orders)


def _any_within(ends: torch.Tensor, values: torch.Tensor, best: float) -> torch.Tensor:
    """Whether any of the values lies between the ends, (2, R), or as good as ties with one."""
    scale = max(float(values.abs().max()), float(ends.abs().max()), best if best < math.inf else 0)
    ordered = values.sort().values
    low, high = ends.amin(dim=0) - _TIE * scale, ends.amax(dim=0) + _TIE * scale
    return torch.searchsorted(ordered, low) < torch.searchsorted(ordered, high, right=True)


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
