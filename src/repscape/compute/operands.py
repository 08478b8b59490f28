"""Rows as operands of distance products, with a rigorous bound on what rounding can do.

For operands y (centred or unit rows, scaled by a power of two) and products g = y_i · y_j in a
dtype with unit roundoff u, the scaled squared distance satisfies

    D_ij ≥ (1 − c)(‖y_i‖² + ‖y_j‖²) − 2 g_ij,     c = error_coefficient(d, dtype),

whatever the order of summation inside the product: |fl(y_i · y_j) − y_i · y_j| ≤ γ_d ‖y_i‖‖y_j‖
with γ_m = m u / (1 − m u) (Higham, Accuracy and Stability of Numerical Algorithms, §3.1). Of the
16 further units in γ_{d+16}, 4 pay for rounding the operands and 3 for forming the key; the
float64 part pays for the norms and for the exact distances' own rounding.
"""

from __future__ import annotations

from functools import cached_property

import torch

from repscape.compute.arrays import row_blocks
from repscape.compute.threads import in_ranges

_BLOCK_VALUES = 2**21
_MEDIAN_ROWS = 1024


def error_coefficient(d: int, dtype: torch.dtype) -> float:
    """The factor c of the module's bound."""
    unit = torch.finfo(dtype).eps / 2
    spent = (d + 16) * unit
    return spent / (1 - spent) + (4 * d + 256) * 2.0**-53


class Operands:
    """Scaled rows of x (n × d), made block by block, or kept in float32.

    `order` arranges them: position p is row order[p] of x. Euclidean rows are centred, cosine
    rows (those with `squared_norms`) divided by their norms.
    """

    def __init__(
        self, x: torch.Tensor, squared_norms: torch.Tensor | None, order: torch.Tensor
    ) -> None:
        self.order = order
        self.n, self.d = int(x.shape[0]), int(x.shape[1])
        self._x = x
        self._norms = None if squared_norms is None else squared_norms.sqrt()
        self._kept: torch.Tensor | None = None

    def block(self, i: slice) -> torch.Tensor:
        """The float32 operands at the positions i."""
        return self._double(i).float() if self._kept is None else self._kept[i]

    def block64(self, i: slice | torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The float64 operands at the positions i, and their floors."""
        y = self._double(i)
        return y, _floors(y.square().sum(dim=1), self.d, torch.float64)

    @cached_property
    def floors(self) -> torch.Tensor:
        """(1 − c)‖y‖² less what underflow may take, (n,) float64, of the float32 operands.

        One side's share of the bound.
        """
        norms = [self.block(i).double().square().sum(dim=1) for i in self._small_blocks()]
        return _floors(torch.cat(norms), self.d, torch.float32)

    def _double(self, i: slice | torch.Tensor) -> torch.Tensor:
        here = self.order[i]
        rows = self._x[here].double()
        if self._norms is not None:
            return rows.div_(self._norms[here, None])
        return rows.sub_(self._centre).mul_(self.scale)

    @property
    def bytes(self) -> int:
        """What `keep` takes."""
        return self.n * self.d * 4

    def keep(self) -> None:
        """Hold the float32 operands in memory (CPU), made in one compiled pass."""
        from repscape.compute.compiled_candidates import operand_rows

        kept = torch.empty(self.n, self.d, dtype=torch.float32)
        squares = torch.empty(self.n, dtype=torch.float64)
        if self._norms is None:
            centre, divisors = self._centre, torch.full_like(squares, 1 / self.scale)
        else:
            centre, divisors = torch.zeros(self.d, dtype=torch.float64), self._norms[self.order]
        arrays = (self._x, self.order, centre, divisors, kept, squares)
        in_ranges(operand_rows, self.n, *(array.numpy() for array in arrays))
        self._kept = kept
        self.floors = _floors(squares, self.d, torch.float32)

    def to_squared(self, distances: torch.Tensor) -> torch.Tensor:
        """Exact distances as the scaled squared distances of the bound."""
        if self._norms is not None:
            return 2 * distances
        return (distances * self.scale).square_()

    def _small_blocks(self) -> list[slice]:
        return list(row_blocks(self.n, max(1, _BLOCK_VALUES // self.d)))

    @cached_property
    def _centre(self) -> torch.Tensor:
        return _middle(self._x)

    @cached_property
    def scale(self) -> float:
        """A power of two that brings the largest value into [0.5, 1): exact, no overflow."""
        low, high = self._x.aminmax(dim=0)
        largest = torch.maximum(high.double() - self._centre, self._centre - low.double()).max()
        _, exponent = torch.frexp(largest)
        return 2.0 ** -int(exponent)


def _middle(x: torch.Tensor) -> torch.Tensor:
    """The median of every feature over evenly spaced rows, (d,) float64.

    Any common shift leaves distances alone; the bound is sharp where rows are close to it. Unlike
    the mean, the median stays among the many when a few rows or features are massive.
    """
    step = -(-x.shape[0] // _MEDIAN_ROWS)
    return x[::step].median(dim=0).values.double()


def _floors(squared_norms: torch.Tensor, d: int, dtype: torch.dtype) -> torch.Tensor:
    # The largest operand is near 1, so that underflow takes less than this from a product.
    underflow = 8 * d * torch.finfo(dtype).tiny
    return squared_norms * (1 - error_coefficient(d, dtype)) - underflow
