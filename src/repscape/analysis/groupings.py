"""All ways to put models into groups of given sizes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations
from math import factorial, prod

import numpy as np
from numpy.typing import NDArray


def count_groupings(sizes: Sequence[int]) -> int:
    """How many there are: M! / (Π size! · Π (number of groups of a size)!)."""
    alike = prod(factorial(count) for count in Counter(sizes).values())
    return factorial(sum(sizes)) // (prod(factorial(size) for size in sizes) * alike)


def groupings(sizes: Sequence[int]) -> Iterator[NDArray[np.int64]]:
    """Yield the group of every model, each way once: groups of one size have no names."""
    labels = np.zeros(sum(sizes), dtype=np.int64)
    for groups in _parts(tuple(range(sum(sizes))), tuple(sorted(sizes))):
        for label, members in enumerate(groups):
            labels[list(members)] = label
        yield labels.copy()


def _parts(left: tuple[int, ...], sizes: tuple[int, ...]) -> Iterator[list[tuple[int, ...]]]:
    """The first of those left goes into a group of each size in turn, with every company."""
    if not left:
        yield []
        return
    first, others = left[0], left[1:]
    for size in sorted(set(sizes)):
        rest = list(sizes)
        rest.remove(size)
        for company in combinations(others, size - 1):
            remaining = tuple(other for other in others if other not in company)
            for groups in _parts(remaining, tuple(rest)):
                yield [(first, *company), *groups]
