"""Rows with equal values, found by their content."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from repscape.compute.arrays import row_blocks

if TYPE_CHECKING:
    import numpy.typing as npt

_BLOCK_VALUES = 2**19
_TELLING_COLUMNS = 16


def first_equal_rows(x: torch.Tensor) -> npt.NDArray[np.int64]:
    """For every row of x (n × d, finite), the first row with the same values; itself if none.

    0 and −0 are equal. Rows are sorted by a 64-bit hash of their bits; rows of one hash are
    compared whole, so that the hash decides the time only.
    """
    hashes = _row_hashes(x).cpu().numpy()
    first = _first_of_each(hashes)
    suspects = np.flatnonzero(first != np.arange(len(first)))
    if not _equal_rows(x, suspects, first[suspects]):
        # Different rows with one hash.
        _, group = np.unique((x + 0.0).cpu().numpy(), axis=0, return_inverse=True)
        first = _first_of_each(group.reshape(-1))
    return first


def count_repeated(x: torch.Tensor) -> int:
    """How many rows of x equal an earlier one; a few columns tell almost all others apart."""
    n, d = x.shape
    few = x[:, :: max(1, d // _TELLING_COLUMNS)].contiguous()
    first = _first_of_each(_row_hashes(few).cpu().numpy())
    suspects = np.flatnonzero(np.bincount(first, minlength=n)[first] > 1)
    if not len(suspects):
        return 0
    found = first_equal_rows(x[torch.from_numpy(suspects).to(x.device)])
    return int((found != np.arange(len(found))).sum())


def _first_of_each(group: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    _, first, inverse = np.unique(group, return_index=True, return_inverse=True)
    return first[inverse].astype(np.int64)


def _row_hashes(x: torch.Tensor) -> torch.Tensor:
    """The sum of the bits of every value of a row, each times an odd number of its column."""
    n, d = x.shape
    wide = torch.int64 if x.dtype == torch.float64 else torch.int32
    generator = torch.Generator().manual_seed(0)
    factors = (torch.randint(-(2**62), 2**62, (d,), generator=generator) | 1).to(x.device)
    hashes = torch.empty(n, dtype=torch.int64, device=x.device)
    for i in row_blocks(n, max(1, _BLOCK_VALUES // d)):
        # Adding 0 turns −0 into 0. Sums of int64 wrap around, which is what a hash wants.
        bits = (x[i] + 0.0).contiguous().view(wide).to(torch.int64)
        if wide == torch.int64:
            # The low halves of round values are empty.
            bits ^= bits >> 29
        hashes[i] = bits.mul_(factors).sum(dim=1)
    return hashes


def _equal_rows(x: torch.Tensor, a: npt.NDArray[np.intp], b: npt.NDArray[np.int64]) -> bool:
    """Whether row a[i] equals row b[i], for all i."""
    for block in row_blocks(len(a), max(1, _BLOCK_VALUES // x.shape[1])):
        left = x[torch.from_numpy(a[block]).to(x.device)]
        right = x[torch.from_numpy(b[block]).to(x.device)]
        if not torch.equal(left, right):
            return False
    return True
