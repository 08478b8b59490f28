"""Dissimilarity matrices: how unlike are two samples within one representation?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import torch

from repscape.compute.arrays import as_symmetric, check_not_constant, check_squares
from repscape.compute.factors import thin_svd
from repscape.compute.matrix import ElementMap, Matrix
from repscape.compute.rows import RowKind, Rows

RDM: TypeAlias = Literal[
    "correlation", "cosine", "euclidean", "sqeuclidean", "mahalanobis", "precomputed"
]

_RIGID = frozenset({"orthogonal", "permutation", "isotropic_scaling", "translation"})
RDM_INVARIANCES: dict[str, frozenset[str]] = {
    "correlation": frozenset({"permutation", "isotropic_scaling"}),
    "cosine": frozenset({"orthogonal", "permutation", "isotropic_scaling"}),
    "euclidean": _RIGID,
    "sqeuclidean": _RIGID,
    "mahalanobis": _RIGID,
    "precomputed": frozenset(),
}
"""What may be done to the features without changing a correlation of the dissimilarities."""


@dataclass(frozen=True)
class SquaredEuclidean:
    """‖x_i - x_j‖²."""

    linear: ClassVar[bool] = False

    def apply(
        self, products: torch.Tensor, norms_i: torch.Tensor, norms_j: torch.Tensor
    ) -> torch.Tensor:
        """From products of centred rows; never below 0."""
        sums = (norms_i[:, None] + norms_j).to(products.dtype)
        squared = sums - 2.0 * products
        # Equal rows are at distance 0; rounding would put them on either side of it.
        rounding = 4 * torch.finfo(products.dtype).eps
        return squared.masked_fill_(squared <= sums.mul_(rounding), 0.0)


@dataclass(frozen=True)
class Euclidean:
    """‖x_i - x_j‖."""

    linear: ClassVar[bool] = False

    def apply(
        self, products: torch.Tensor, norms_i: torch.Tensor, norms_j: torch.Tensor
    ) -> torch.Tensor:
        """From products of centred rows."""
        return SquaredEuclidean().apply(products, norms_i, norms_j).sqrt_()


@dataclass(frozen=True)
class HalfSquaredEuclidean:
    """‖x_i - x_j‖² / 2: of rows of norm 1, less any common vector, 1 - their inner product."""

    linear: ClassVar[bool] = False

    def apply(
        self, products: torch.Tensor, norms_i: torch.Tensor, norms_j: torch.Tensor
    ) -> torch.Tensor:
        """From products of rows less their common mean."""
        return SquaredEuclidean().apply(products, norms_i, norms_j).mul_(0.5)


_MAPS: dict[str, tuple[RowKind, ElementMap]] = {
    "correlation": ("correlation", HalfSquaredEuclidean()),
    "cosine": ("centred_unit", HalfSquaredEuclidean()),
    "euclidean": ("centred", Euclidean()),
    "sqeuclidean": ("centred", SquaredEuclidean()),
    "mahalanobis": ("centred", Euclidean()),
}


def dissimilarities(x: torch.Tensor, rdm: str, shrinkage: float = 0.0) -> Matrix:
    """The dissimilarity matrix of x (n × d) by its tiles.

    Raises `UndefinedScoreError` for a constant representation, or for a row without a direction
    under the cosine and the correlation.
    """
    zeros = torch.zeros(x.shape[0], dtype=torch.float64, device=x.device)
    if rdm == "precomputed":
        return Matrix(zeros, pivot=0.0, given=as_symmetric(x, "dissimilarity matrix"))
    check_not_constant(x)
    check_squares(x)
    if rdm == "mahalanobis":
        x = whitened(x, shrinkage)
    kind, element_map = _MAPS[rdm]
    return Matrix(zeros, pivot=0.0, rows=Rows(x, kind), map=element_map)


def whitened(x: torch.Tensor, shrinkage: float) -> torch.Tensor:
    """Rows whose Euclidean distances are the Mahalanobis distances of the rows of x, float64.

    With the sample covariance Σ of the n rows, (1 - λ) Σ + λ (tr Σ / d) I and λ = `shrinkage`,
    inverted on the span of the centred rows (its numerical rank).
    """
    n, d = x.shape
    svd = thin_svd(x, center=True)
    variances = svd.values.square() / (n - 1)
    shrunk = (1.0 - shrinkage) * variances + shrinkage * variances.sum() / d
    rows: torch.Tensor = svd.left * (svd.values / shrunk.sqrt())
    return rows


def typical_distance(matrix: Matrix) -> float:
    """The mean dissimilarity of the first samples: what to subtract for accurate sums."""
    first = slice(0, min(matrix.n, 256))
    tile = matrix.tile(first, first)
    size = tile.shape[0]
    return float(tile.sum(dtype=torch.float64) - tile.diagonal().sum()) / (size * (size - 1))
