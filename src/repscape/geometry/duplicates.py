"""Samples with equal values: found by row content, never by a distance that rounding may miss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from repscape.compute.arrays import row_blocks
from repscape.errors import InvalidParameterError

if TYPE_CHECKING:
    import numpy.typing as npt

DuplicatePolicy = Literal["drop", "keep", "error"]
POLICIES: tuple[DuplicatePolicy, ...] = ("drop", "keep", "error")
_BLOCK_VALUES = 2**21
_HASHES = 2


@dataclass(frozen=True, eq=False)
class Duplicates:
    """Which samples have the same values as an earlier one.

    Attributes
    ----------
    first
        (n,) int64: for every sample, the first sample with the same values; itself if there is
        none before it.
    """

    first: npt.NDArray[np.int64]

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """(n,) True for the samples that are the first with their values."""
        mask: npt.NDArray[np.bool_] = self.first == np.arange(len(self.first))
        return mask

    @property
    def multiplicities(self) -> npt.NDArray[np.int64]:
        """For the first samples, in their order, how many samples have their values."""
        return np.bincount(self.first, minlength=len(self.first))[self.mask]

    @property
    def count(self) -> int:
        """How many samples repeat an earlier one."""
        return int(len(self.first) - self.mask.sum())


def find_duplicates(x: torch.Tensor) -> Duplicates:
    """Find the rows of x (n × d, finite) that equal an earlier row; 0 and −0 are equal."""
    hashes = _row_hashes(x).cpu().numpy()
    _, group = np.unique(hashes, axis=0, return_inverse=True)
    first = _first_of_each(group.reshape(-1))
    suspects = np.flatnonzero(first != np.arange(len(first)))
    equal = _equal_rows(x, suspects, first[suspects])
    if not equal.all():
        # Different rows with one hash: compare whole rows, which is slower and always right.
        _, group = np.unique((x + 0.0).cpu().numpy(), axis=0, return_inverse=True)
        first = _first_of_each(group.reshape(-1))
    return Duplicates(first)


def common_duplicates(several: list[Duplicates]) -> Duplicates:
    """Samples to drop everywhere if they repeat an earlier one in any of several representations.

    The mask is the intersection of the masks; a sample dropped counts for the first kept sample
    that shares its values in the first representation where it repeats one.
    """
    mask = np.logical_and.reduce([one.mask for one in several])
    first = np.arange(len(mask))
    for one in several:
        open_rows = np.flatnonzero(~mask & (first == np.arange(len(mask))))
        first[open_rows] = one.first[open_rows]
    while not np.array_equal(first, first[first]):
        first = first[first]
    return Duplicates(first)


def check_policy(duplicates: str) -> DuplicatePolicy:
    """Return the policy if there is one of this name."""
    for policy in POLICIES:
        if duplicates == policy:
            return policy
    raise InvalidParameterError(
        f"duplicates={duplicates!r}: choose 'drop' (keep the first of equal rows), 'keep' or "
        "'error'"
    )


def _first_of_each(group: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
    _, first, inverse = np.unique(group, return_index=True, return_inverse=True)
    return first[inverse].astype(np.int64)


def _row_hashes(x: torch.Tensor) -> torch.Tensor:
    """Two 64-bit sums of the bits of every row, each bit pattern times a fixed odd number."""
    n, d = x.shape
    wide = torch.int64 if x.dtype == torch.float64 else torch.int32
    generator = torch.Generator().manual_seed(0)
    factors = torch.randint(-(2**62), 2**62, (d, _HASHES), generator=generator) | 1
    factors = factors.to(x.device)
    hashes = torch.empty(n, _HASHES, dtype=torch.int64, device=x.device)
    for i in row_blocks(n, max(1, _BLOCK_VALUES // d)):
        # Adding 0 turns −0 into 0. Sums of int64 wrap around, which is what a hash wants.
        bits = (x[i] + 0.0).contiguous().view(wide).to(torch.int64)
        mixed = bits ^ (bits >> 29)
        for h in range(_HASHES):
            hashes[i, h] = (mixed * factors[:, h]).sum(dim=1)
    return hashes


def _equal_rows(
    x: torch.Tensor, a: npt.NDArray[np.intp], b: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    equal = np.ones(len(a), dtype=np.bool_)
    for block in row_blocks(len(a), max(1, _BLOCK_VALUES // x.shape[1])):
        left = x[torch.from_numpy(a[block]).to(x.device)]
        right = x[torch.from_numpy(b[block]).to(x.device)]
        equal[block] = (left == right).all(dim=1).cpu().numpy()
    return equal
