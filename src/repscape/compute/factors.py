"""Thin factors: a small matrix with the same Gram matrix, for measures that align features."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from repscape.compute.arrays import check_squares, row_blocks
from repscape.errors import UndefinedScoreError
from repscape.transforms import column_mean

_BLOCK_FEATURES = 1024


def thin_factor(x: torch.Tensor, center: bool) -> torch.Tensor:
    """A float64 factor F (n × r, r = min(n, d)) with F Fᵀ = X Xᵀ.

    Where d ≤ n, F is X itself (centred if asked). Where d > n, Fᵀ is the triangle of a QR
    decomposition of Xᵀ, taken over blocks of features; unlike a root of X Xᵀ it keeps all digits
    of small directions. So cross products of factors have the size min(n, d) and the same
    singular values as those of the features.
    """
    check_squares(x)
    n, d = x.shape
    mean = column_mean(x) if center else torch.zeros(d, dtype=torch.float64, device=x.device)
    if d <= n:
        centred: torch.Tensor = x.double() - mean
        return centred
    triangle = torch.zeros(0, n, dtype=torch.float64, device=x.device)
    for columns in row_blocks(d, max(n, _BLOCK_FEATURES)):
        block = x[:, columns].double() - mean[columns]
        triangle = torch.linalg.qr(torch.cat([triangle, block.T]), mode="r").R
    factor: torch.Tensor = triangle.T
    return factor


@dataclass(frozen=True, eq=False)
class ThinSVD:
    """X = left · diag(values) · rightᵀ, cut at the numerical rank r; float64.

    left is n × r and right d × r with orthonormal columns; values (r,) descend.
    """

    left: torch.Tensor
    values: torch.Tensor
    right: torch.Tensor

    def permute(self, order: torch.Tensor) -> ThinSVD:
        """The decomposition of the same rows in another order: new row i is old row order[i]."""
        return ThinSVD(self.left[order], self.values, self.right)

    @property
    def rank(self) -> int:
        """The number of singular values above rounding."""
        return int(self.values.shape[0])


def thin_svd(x: torch.Tensor, center: bool) -> ThinSVD:
    """The singular value decomposition of x (n × d), of the centred features if asked.

    Singular values count up to the larger of two rounding errors: that of the decomposition,
    ε₆₄ max(n, d) s₁, and that of the given values themselves, ε ‖X‖_F with the ε of their dtype.
    So a matrix of rank 8 has rank 8 in float32, too.

    Raises `UndefinedScoreError` if nothing is above rounding.
    """
    left, values, right = _svd_through_qr(_float64(x, center))
    rank = _rank(x, values)
    return ThinSVD(left[:, :rank], values[:rank], right[:, :rank])


def span_basis(x: torch.Tensor, center: bool) -> torch.Tensor:
    """An orthonormal basis (n × rank) of what the features of x span, centred if asked.

    The rank is that of `thin_svd`, which is not needed in full where the features are
    independent: then their QR decomposition serves.
    """
    n, d = x.shape
    if d < n:
        basis: torch.Tensor
        basis, triangle = torch.linalg.qr(_float64(x, center))
        if _rank(x, torch.linalg.svdvals(triangle)) == d:
            return basis
    return thin_svd(x, center).left


def _float64(x: torch.Tensor, center: bool) -> torch.Tensor:
    check_squares(x)
    raw = x.double()
    values: torch.Tensor = raw - column_mean(x) if center else raw
    return values


def _rank(x: torch.Tensor, values: torch.Tensor) -> int:
    """The number of singular values, of x or of its centred features, above rounding."""
    rounding = max(
        torch.finfo(torch.float64).eps * max(x.shape) * float(values[0]),
        torch.finfo(x.dtype).eps * float(x.double().norm()),
    )
    rank = int((values > rounding).sum())
    if rank == 0:
        raise UndefinedScoreError(
            f"the values vary by no more than rounding ({rounding:.1e}), so they span nothing: "
            "use a wider dtype or check the layer"
        )
    return rank


def _svd_through_qr(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """U, s, V by a QR decomposition of the long side first, which is faster than SVD alone."""
    n, d = x.shape
    long = x if n >= d else x.T
    q, triangle = torch.linalg.qr(long)
    u, values, vt = torch.linalg.svd(triangle)
    long_side, short_side = q @ u, vt.T
    return (long_side, values, short_side) if n >= d else (short_side, values, long_side)
