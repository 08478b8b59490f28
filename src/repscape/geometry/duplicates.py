"""Samples with equal values: found by row content, never by a distance that rounding may miss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from repscape.compute.equal_rows import first_equal_rows
from repscape.errors import InvalidParameterError

if TYPE_CHECKING:
    import numpy.typing as npt
    import torch

DuplicatePolicy = Literal["drop", "keep", "error"]
POLICIES: tuple[DuplicatePolicy, ...] = ("drop", "keep", "error")


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
    return Duplicates(first_equal_rows(x))


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
