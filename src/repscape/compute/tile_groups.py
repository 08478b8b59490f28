"""`Division`: the tiles of n×n matrices in fixed groups, whose sums add up in a fixed order."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

Tile = tuple[slice, slice]


@dataclass(frozen=True)
class Division:
    """Which tiles belong together.

    It says all by itself, whatever the number of workers: group g of G holds the tiles from
    number gT/G up to number (g+1)T/G of the T tiles (I, J), I ≤ J, row by row.

    Attributes
    ----------
    side : int
        Samples on a side of a tile.
    groups : int
        How many groups.
    """

    side: int
    groups: int

    def tiles(self, n: int, group: int) -> Iterator[Tile]:
        """The tiles of one group, in order; none if there are fewer tiles than groups."""
        count = number_of_tiles(n, self.side)
        first, end = (count * number // self.groups for number in (group, group + 1))
        return islice(upper_tiles(n, self.side), first, end)

    def to_dict(self) -> dict[str, int]:
        """Return plain JSON values."""
        return {"side": self.side, "groups": self.groups}

    @classmethod
    def from_dict(cls, known: Mapping[str, Any]) -> Division:
        """Inverse of `to_dict`."""
        return cls(int(known["side"]), int(known["groups"]))


def upper_tiles(n: int, side: int) -> Iterator[Tile]:
    """The tiles on and above the diagonal, row by row."""
    starts = range(0, n, side)
    for i in starts:
        for j in starts[i // side :]:
            yield slice(i, min(i + side, n)), slice(j, min(j + side, n))


def number_of_tiles(n: int, side: int) -> int:
    """How many tiles `upper_tiles` yields."""
    rows = math.ceil(n / side)
    return rows * (rows + 1) // 2
