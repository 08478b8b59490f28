"""A symmetric n×n kernel or distance matrix, known by its tiles."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch

from repscape.compute.arrays import row_blocks
from repscape.compute.mapped import mapped_empty
from repscape.compute.rows import Rows

_STRIP_ROWS = 64
"""Rows that are mapped at a time, so that temporaries stay small."""


class ElementMap(Protocol):
    """What turns a tile of inner products into a tile of the kernel or distance matrix."""

    @property
    def linear(self) -> bool:
        """Whether the map is the identity, so that d×d moments may serve."""

    def apply(
        self, products: torch.Tensor, norms_i: torch.Tensor, norms_j: torch.Tensor
    ) -> torch.Tensor:
        """Map inner products (b_i × b_j), given the squared norms of both sides' rows."""


@dataclass(frozen=True, eq=False)
class Matrix:
    """A symmetric n×n matrix, known by its tiles.

    Either `given` is the matrix, or its entries are `map(inner products of rows)`. `pivot` is
    near the typical off-diagonal entry; `diagonal` is (n,) float64.
    """

    diagonal: torch.Tensor
    pivot: float
    rows: Rows | None = None
    map: ElementMap | None = None
    given: torch.Tensor | None = None

    @property
    def n(self) -> int:
        """The number of samples."""
        return int(self.diagonal.shape[0])

    @property
    def key(self) -> Hashable:
        """Equal for matrices that have the same entries because they are made the same way."""
        return id(self) if self.rows is None else (self.rows.key, self.map, self.pivot)

    @property
    def linear(self) -> bool:
        """Whether the matrix is the linear kernel of its rows."""
        return self.map is not None and self.map.linear

    def tile(self, i: slice, j: slice, products: torch.Tensor | None = None) -> torch.Tensor:
        """The entries for samples i and j; `products` saves forming the rows' inner products."""
        if self.given is not None:
            return self.given[i, j]
        assert self.rows is not None
        assert self.map is not None
        if products is None:
            products = self.rows.products(i, j)
        norms = self.rows.squared_norms
        return self.map.apply(products, norms[i], norms[j])

    def permute(self, order: torch.Tensor) -> Matrix:
        """The matrix of the same samples in another order: new sample i is old sample order[i]."""
        given = None if self.given is None else self.given[order][:, order]
        rows = None if self.rows is None else self.rows.permute(order)
        return Matrix(self.diagonal[order], self.pivot, rows, self.map, given)

    def subset(self, rows: torch.Tensor) -> Matrix:
        """The rows and columns of some samples, taken from the whole matrix."""
        part = self.dense[rows[:, None], rows]
        part += self.pivot
        return Matrix(self.diagonal[rows], self.pivot, given=part)

    @cached_property
    def dense(self) -> torch.Tensor:
        """The whole matrix less the pivot, with a zero diagonal, in float64."""
        everything = slice(0, self.n)
        products = None if self.rows is None else self.rows.all_products()
        shifted = mapped_empty((self.n, self.n), torch.float64, self.diagonal.device)
        for strip in row_blocks(self.n, _STRIP_ROWS):
            some = None if products is None else products[strip]
            shifted[strip] = self.tile(strip, everything, some)
        return shifted.sub_(self.pivot).fill_diagonal_(0.0)

    @cached_property
    def dense_row_sums(self) -> torch.Tensor:
        """The row sums of `dense`."""
        return self.dense.sum(dim=1)
