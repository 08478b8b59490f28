"""Thin factors: a small matrix with the same Gram matrix, for measures that align features."""

from __future__ import annotations

import torch

from repscape.compute.arrays import row_blocks
from repscape.transforms import column_mean


def thin_factor(x: torch.Tensor, center: bool) -> torch.Tensor:
    """A float64 factor F (n × r, r ≤ min(n, d)) with F Fᵀ = X Xᵀ.

    Where d ≤ n, F is X itself (centred if asked). Where d > n, F = V √λ from the
    eigendecomposition of X Xᵀ, which is formed over blocks of features; eigenvalues below the
    rounding error of the largest are dropped. So cross products of factors have the size
    min(n, d) and the same singular values as those of the features.
    """
    n, d = x.shape
    mean = column_mean(x) if center else torch.zeros(d, dtype=torch.float64, device=x.device)
    if d <= n:
        centred: torch.Tensor = x.double() - mean
        return centred
    gram = torch.zeros(n, n, dtype=torch.float64, device=x.device)
    for columns in row_blocks(d, n):
        block = x[:, columns].double() - mean[columns]
        gram += block @ block.T
    eigenvalues, vectors = torch.linalg.eigh(gram)
    kept = eigenvalues > n * torch.finfo(torch.float64).eps * eigenvalues[-1]
    factor: torch.Tensor = vectors[:, kept] * eigenvalues[kept].sqrt()
    return factor
