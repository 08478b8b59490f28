"""Exact distances: the definition that neighbours are held to.

Euclidean: d(i, j) = √ Σ_c (x_ic − x_jc)². Cosine: d(i, j) = 1 − Σ_c x_ic x_jc / √(s_i s_j) with
s_i = Σ_c x_ic². Everything is float64, on the original rows. The sums have one fixed order, so
that the same pair has the same bits on every route, device and number of threads: feature c
goes to the partial sum c mod 32 in the order of c, and the 32 partial sums are added by halves
(0 with 16, 1 with 17, …). Identical rows are at distance exactly 0 under both metrics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from repscape.compute.arrays import row_blocks
from repscape.compute.threads import in_ranges
from repscape.errors import UndefinedScoreError

Metric = Literal["euclidean", "cosine"]

LANES = 32
"""How many partial sums a sum has; part of the definition."""
TENSOR_ELEMENTS = 2**21
CPU_ELEMENTS = 2**17
"""How many values of either side the tensor route takes at a time, on the CPU as fit a cache."""
SMALLEST_SQUARED_NORM = 2.0**-500
"""Below this √(s_i s_j) may underflow."""


@dataclass(frozen=True, eq=False)
class ExactDistances:
    """The exact distances between rows of x (n × d), float32 or float64, contiguous.

    `compiled` chooses the compiled loop (CPU only) or plain tensors; both give the same bits.
    """

    x: torch.Tensor
    metric: Metric
    compiled: bool
    squared_norms: torch.Tensor | None = None

    @classmethod
    def of(cls, x: torch.Tensor, metric: Metric, compiled: bool) -> ExactDistances:
        """Prepare the distances of x; the cosine of a zero row raises `UndefinedScoreError`."""
        plain = cls(x, metric, compiled)
        if metric == "euclidean":
            return plain
        every = torch.arange(x.shape[0], device=x.device)
        norms = torch.cat(
            [plain._sums(every[i], every[i], differences=False) for i in row_blocks(x.shape[0])]
        )
        small = (norms < SMALLEST_SQUARED_NORM).nonzero()
        if len(small):
            row = int(small[0])
            raise UndefinedScoreError(
                f"row {row} has norm {float(norms[row]) ** 0.5:g} ({len(small)} such rows), so its "
                "cosine with other rows does not exist: drop those samples or use "
                "metric='euclidean'"
            )
        return cls(x, metric, compiled, norms)

    def permute(self, order: torch.Tensor) -> ExactDistances:
        """The distances of the same rows in another order: new row i is old row order[i]."""
        norms = None if self.squared_norms is None else self.squared_norms[order]
        return ExactDistances(self.x[order], self.metric, self.compiled, norms)

    def pairs(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """The distances between rows left[p] and right[p], as float64."""
        if self.squared_norms is None:
            return _root(self._sums(left, right, differences=True))
        scale = _root(self.squared_norms[left] * self.squared_norms[right])
        return 1 - self._sums(left, right, differences=False).div_(scale)

    def _sums(self, left: torch.Tensor, right: torch.Tensor, differences: bool) -> torch.Tensor:
        out = torch.empty(len(left), dtype=torch.float64, device=self.x.device)
        if self.compiled:
            from repscape.compute.compiled import pair_sums

            arrays = (self.x.numpy(), left.numpy(), right.numpy(), differences, out.numpy())
            in_ranges(pair_sums, len(left), *arrays)
            return out
        elements = CPU_ELEMENTS if self.x.device.type == "cpu" else TENSOR_ELEMENTS
        for block in row_blocks(len(left), max(1, elements // self.x.shape[1])):
            a, b = self.x[left[block]].double(), self.x[right[block]].double()
            terms = a.sub_(b).square_() if differences else a.mul_(b)
            out[block] = _lane_sums(terms)
        return out


def _root(values: torch.Tensor) -> torch.Tensor:
    """Take the square root in place, correctly rounded: torch's on a CPU may be a unit off."""
    if values.device.type != "cpu":
        return values.sqrt_()
    array = values.numpy()
    np.sqrt(array, out=array)
    return values


def _lane_sums(terms: torch.Tensor) -> torch.Tensor:
    """Add up the columns of terms (m × d) in the fixed order."""
    m, d = terms.shape
    lanes = terms.new_zeros(m, LANES)
    for first in range(0, d, LANES):
        part = terms[:, first : first + LANES]
        lanes[:, : part.shape[1]] += part
    half = LANES // 2
    while half:
        lanes[:, :half] += lanes[:, half : 2 * half]
        half //= 2
    return lanes[:, 0]
