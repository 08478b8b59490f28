"""The rows of a representation, centred or normalised block by block, and their inner products."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cached_property
from typing import Literal

import torch

from repscape.compute.arrays import row_blocks
from repscape.compute.mapped import mapped_empty
from repscape.errors import UndefinedScoreError
from repscape.transforms import column_mean

RowKind = Literal["centred", "unit", "centred_unit", "correlation"]
PANEL_ROWS = 512
_DIRECTIONS = ("centred_unit", "correlation")
_FEW_ROWS = 256


class Rows:
    """Prepared rows of x (n × d), never copied whole unless `keep` is called.

    Kinds
    -----
    centred
        x less the mean of every feature: for anything that a translation leaves alone.
    unit
        Rows divided by their norms: inner products are cosines.
    centred_unit
        The same, less the mean of these rows: half of a squared distance is 1 - cosine, without
        the cancellation that rows of nearly one direction bring.
    correlation
        Rows less their own mean, then divided by their norms, then less the mean of these rows:
        half of a squared distance is 1 - the Pearson correlation of two samples.

    Arithmetic is float64; the prepared rows have the dtype of x, and so have the products.
    """

    def __init__(self, x: torch.Tensor, kind: RowKind) -> None:
        self.x = x
        self.kind = kind
        self._mean = column_mean(x) if kind == "centred" else None
        self._norms = None if kind == "centred" else self._checked_norms()
        self._mean_direction = self._find_mean_direction() if kind in _DIRECTIONS else None
        self._kept: torch.Tensor | None = None
        self._panels: list[torch.Tensor] = []

    def permute(self, order: torch.Tensor) -> Rows:
        """The same prepared rows in another order: new row i is old row order[i]."""
        permuted = object.__new__(Rows)
        permuted.x, permuted.kind, permuted._mean = self.x[order], self.kind, self._mean
        permuted._norms = None if self._norms is None else self._norms[order]
        permuted._mean_direction = self._mean_direction
        permuted._kept = None if self._kept is None else self._kept[order]
        permuted._panels = []
        return permuted

    @property
    def n(self) -> int:
        """The number of samples."""
        return int(self.x.shape[0])

    @property
    def d(self) -> int:
        """The number of features."""
        return int(self.x.shape[1])

    @property
    def bytes(self) -> int:
        """What `keep` takes."""
        return self.x.numel() * self.x.element_size()

    @property
    def key(self) -> Hashable:
        """Equal for rows of the same values in memory and of the same kind."""
        return self.x.data_ptr(), self.x.shape, self.x.stride(), self.x.dtype, self.kind

    def block(self, i: slice) -> torch.Tensor:
        """The prepared rows i."""
        if self._kept is not None:
            return self._kept[i]
        return self.block64(i).to(self.x.dtype)

    def block64(self, i: slice) -> torch.Tensor:
        """The prepared rows i in float64, from the original values."""
        rows = self.x[i].double() if self._mean is None else self.x[i] - self._mean
        if self.kind == "correlation":
            rows = rows - rows.mean(dim=1, keepdim=True)
        if self._norms is not None:
            rows = rows / self._norms[i, None]
        if self._mean_direction is not None:
            rows -= self._mean_direction
        return rows

    def products(self, i: slice, j: slice) -> torch.Tensor:
        """The inner products of rows i with rows j; not to be written to."""
        if self._panels:
            number, first = divmod(i.start, PANEL_ROWS)
            inside = first + i.stop - i.start <= PANEL_ROWS
            if inside and number * PANEL_ROWS <= j.start:
                before = number * PANEL_ROWS
                columns = slice(j.start - before, j.stop - before, j.step)
                held: torch.Tensor = self._panels[number][first : i.stop - before : i.step, columns]
                return held
        return self.block(i) @ self.block(j).T

    def all_products(self) -> torch.Tensor:
        """The inner products of all rows, (n, n), in memory of their own; not to be written to."""
        everything = slice(0, self.n)
        if self._panels or self.n <= _FEW_ROWS:
            return self.products(everything, everything)
        rows = self._kept
        if rows is None:
            rows = self._written(mapped_empty(self.x.shape, self.x.dtype, self.x.device))
        out = mapped_empty((self.n, self.n), rows.dtype, rows.device)
        return torch.mm(rows, rows.T, out=out)

    @property
    def products_bytes(self) -> int:
        """What `keep_products` takes while and after it is made."""
        return (self.n * (self.n + PANEL_ROWS) // 2 + self.n * self.d) * self.x.element_size()

    @property
    def has_products(self) -> bool:
        """Whether `keep_products` was called."""
        return bool(self._panels)

    def keep_products(self) -> None:
        """Form the inner products of all rows with those after them, and hold them from now on."""
        self.keep()
        everything = row_blocks(self.n, PANEL_ROWS)
        self._panels = [self.block(i) @ self.block(slice(i.start, self.n)).T for i in everything]
        self.release()

    @cached_property
    def squared_norms(self) -> torch.Tensor:
        """The squared norms of the prepared rows, (n,) float64."""
        if self.kind == "unit":
            return torch.ones(self.n, dtype=torch.float64, device=self.x.device)
        return torch.cat([self.block64(i).square().sum(dim=1) for i in row_blocks(self.n)])

    def keep(self) -> None:
        """Hold the prepared rows in memory until `release`."""
        if self._kept is None:
            # Not a mapping of its own: a sweep after another takes the same memory again.
            kept = torch.empty_like(self.x, memory_format=torch.contiguous_format)
            self._kept = self._written(kept)

    def release(self) -> None:
        """Let go of what `keep` held."""
        self._kept = None

    def _written(self, out: torch.Tensor) -> torch.Tensor:
        for i in row_blocks(self.n, _FEW_ROWS):
            out[i] = self.block64(i)
        return out

    def _find_mean_direction(self) -> torch.Tensor:
        self._mean_direction = None
        sums = torch.stack([self.block64(i).sum(dim=0) for i in row_blocks(self.n)])
        return sums.sum(dim=0) / self.n

    def _checked_norms(self) -> torch.Tensor:
        norms = torch.cat([self._row_norms(i) for i in row_blocks(self.n)])
        zero = (norms == 0).nonzero()
        if len(zero):
            centred = self.kind == "correlation"
            what = "has the same value everywhere" if centred else "is zero everywhere"
            name = "correlation" if centred else "cosine"
            raise UndefinedScoreError(
                f"row {int(zero[0])} {what} ({len(zero)} such rows), so its {name} with other "
                "rows does not exist: drop those samples or use a Euclidean distance"
            )
        return norms

    def _row_norms(self, i: slice) -> torch.Tensor:
        rows = self.x[i].double()
        if self.kind == "correlation":
            constant = (self.x[i] == self.x[i, :1]).all(dim=1)
            rows = (rows - rows.mean(dim=1, keepdim=True)).masked_fill(constant[:, None], 0.0)
        norms: torch.Tensor = rows.norm(dim=1)
        return norms
