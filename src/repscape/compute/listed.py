"""Distances from samples to those that other representations list as their neighbours.

A table holds the distances to its own neighbours only. What neighbours elsewhere ask for besides
is formed by exact differences, once for each pair of samples, however many lists name it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from repscape.compute.exact import ExactDistances
from repscape.compute.neighbours import NeighbourTable

_CACHE_BYTES = 2**20
"""About what one processor keeps close by."""


def listed_distances(
    exact: ExactDistances, table: NeighbourTable, lists: Sequence[torch.Tensor], rows: slice
) -> torch.Tensor:
    """The distances from the samples `rows` to those that every list names for them.

    Parameters
    ----------
    exact
        The distances of the representation.
    table
        Its own neighbours by the same distances, which are not formed again.
    lists
        L times (n, k) int32: row i names samples other than i.
    rows
        The b samples asked for.

    Returns
    -------
    (L, b, k) float64 on the CPU, the same bits as `exact.pairs`.
    """
    from repscape.compute.compiled_orders import by_right_sample, distinct_pairs

    named = torch.stack([list_[rows] for list_ in lists])
    own = table.indices[rows]
    left = torch.empty(named.numel(), dtype=torch.int64)
    right = torch.empty_like(left)
    place = torch.empty(named.shape, dtype=torch.int64)
    arrays = (own, named, place, left, right)
    count = distinct_pairs(rows.start, table.n, *(array.numpy() for array in arrays))
    left, right = left[:count], right[:count]
    order = torch.empty(count, dtype=torch.int64)
    cached = max(1, _CACHE_BYTES // (exact.x.shape[1] * exact.x.element_size()))
    by_right_sample(table.n, cached, left.numpy(), right.numpy(), order.numpy())
    device = exact.x.device
    formed = torch.empty(count, dtype=torch.float64)
    # The rows of x are read one after the other, against few that stay in the cache.
    formed[order] = exact.pairs(right[order].to(device), left[order].to(device)).cpu()
    return torch.cat([table.distances[rows].flatten(), formed])[place]


def listed_bytes(lists: int, k: int) -> int:
    """What `listed_distances` takes for one sample of that many lists, its result included."""
    # The names, their places, both sides of the pairs in two orders, the order, their distances
    # thrice, and the result.
    return lists * k * (4 + 8 + 32 + 8 + 24 + 8) + 8 * k
