"""The variances along the principal axes of a representation, and how sure they are."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from repscape.compute.arrays import row_blocks
from repscape.errors import TooFewSamplesError, UndefinedScoreError
from repscape.transforms import column_mean

_BLOCK_ROWS = 1024
_BLOCK_FEATURES = 1024


@dataclass(frozen=True, eq=False)
class PrincipalAxes:
    """The eigenvalues and eigenvectors of the covariance of x (n × d), cut at the rank r.

    Attributes
    ----------
    variances
        (r,) float64, descending: eigenvalues of (X − x̄)ᵀ(X − x̄)/n above rounding,
        ε₆₄ max(n, d) λ₁.
    dimension
        min(n − 1, d): how many there could be.
    """

    variances: torch.Tensor
    dimension: int
    _x: torch.Tensor
    _mean: torch.Tensor
    _vectors: torch.Tensor
    _of_samples: bool

    @property
    def total(self) -> float:
        """The total variance."""
        return float(self.variances.sum())

    def directions(self) -> torch.Tensor:
        """The unit vectors along the axes, (d, r) float64."""
        if not self._of_samples:
            return self._vectors
        products = torch.zeros(
            self._x.shape[1], len(self.variances), dtype=torch.float64, device=self._x.device
        )
        for i in row_blocks(len(self._x), _BLOCK_ROWS):
            products.addmm_((self._x[i].double() - self._mean).T, self._vectors[i])
        return products / (self.variances * len(self._x)).sqrt()

    def error_of(self, gradient: torch.Tensor) -> float:
        """The standard error of a function of the variances with this gradient, (r,).

        By its influence at every sample: Σ_k ∂f/∂λ_k (z_ik² − λ_k), with z_ik the coordinate of
        sample i on axis k.
        """
        n = len(self._x)
        influence = torch.empty(n, dtype=torch.float64)
        offset = float(gradient @ self.variances)
        for i in row_blocks(n, _BLOCK_ROWS):
            influence[i] = (self._coordinates(i).square() @ gradient - offset).cpu()
        error: float = float(influence.square().mean() / n) ** 0.5
        return error

    def _coordinates(self, i: slice) -> torch.Tensor:
        if self._of_samples:
            scale = (self.variances * len(self._x)).sqrt()
            coordinates: torch.Tensor = self._vectors[i] * scale
            return coordinates
        return (self._x[i].double() - self._mean) @ self._vectors


def principal_axes(x: torch.Tensor) -> PrincipalAxes:
    """Decompose the covariance of x (n × d), or of its samples where n < d, in float64.

    Raises
    ------
    TooFewSamplesError
        One sample.
    UndefinedScoreError
        No feature varies.
    """
    n, d = int(x.shape[0]), int(x.shape[1])
    if n < 2:
        raise TooFewSamplesError(f"a variance needs at least 2 distinct samples, not {n}")
    mean = column_mean(x)
    of_samples = n < d
    products = _sample_products(x, mean) if of_samples else _feature_products(x, mean)
    values, vectors = torch.linalg.eigh(products / n)
    values, vectors = values.flip(0), vectors.flip(1)
    rounding = torch.finfo(torch.float64).eps * max(n, d) * values[0]
    rank = int((values > rounding).sum())
    if rank == 0 or not float(values[0]) > 0:
        raise UndefinedScoreError(
            f"all {n} samples have the same values, so they have no variance: check the layer"
        )
    return PrincipalAxes(
        values[:rank], min(n - 1, d), x, mean, vectors[:, :rank].contiguous(), of_samples
    )


def _feature_products(x: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
    d = x.shape[1]
    products = torch.zeros(d, d, dtype=torch.float64, device=x.device)
    for i in row_blocks(x.shape[0], _BLOCK_ROWS):
        centred = x[i].double() - mean
        products.addmm_(centred.T, centred)
    return products


def _sample_products(x: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
    n = x.shape[0]
    products = torch.zeros(n, n, dtype=torch.float64, device=x.device)
    for j in row_blocks(x.shape[1], _BLOCK_FEATURES):
        centred = x[:, j].double() - mean[j]
        products.addmm_(centred, centred.T)
    return products
