"""The best rotation of one representation onto another: what its measures share."""

from __future__ import annotations

import math

import torch

from repscape.compute.permuted import permuted_cross_products

_NEARLY_EQUAL = 1e-3


def nuclear_norm(a: torch.Tensor, b: torch.Tensor) -> float:
    """‖aᵀb‖_*, the largest ⟨aQ, b⟩ over rotations Q, for factors a (n × r) and b (n × r')."""
    return float(torch.linalg.svdvals(a.T @ b).sum())


def rotation_distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """min_Q ‖aQ - b‖_F over rotations Q; the narrower side counts as padded with zeros."""
    total = float(a.square().sum() + b.square().sum())
    squared = total - 2.0 * nuclear_norm(a, b)
    # The difference of nearly equal numbers loses half the digits: measure the residual.
    return _residual(a, b) if squared < _NEARLY_EQUAL * total else math.sqrt(squared)


def permuted_nuclear_norms(a: torch.Tensor, b: torch.Tensor, orders: torch.Tensor) -> torch.Tensor:
    """‖aᵀ b[order]‖_* for each of the orders (R, n); (R,)."""
    return torch.cat(
        [
            torch.linalg.svdvals(products).sum(dim=1)
            for _, products in permuted_cross_products(a, b, orders)
        ]
    )


def permuted_rotation_distances(
    a: torch.Tensor, b: torch.Tensor, orders: torch.Tensor
) -> torch.Tensor:
    """`rotation_distance` of a and b[order] for each of the orders (R, n); (R,)."""
    total = float(a.square().sum() + b.square().sum())
    squared = total - 2.0 * permuted_nuclear_norms(a, b, orders)
    close = squared < _NEARLY_EQUAL * total
    distances = squared.masked_fill(close, 0.0).sqrt()
    for position in close.nonzero()[:, 0].tolist():
        distances[position] = _residual(a, b[orders[position]])
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
