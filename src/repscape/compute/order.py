"""Order statistics of the n(n-1)/2 entries above the diagonal of a matrix known by its tiles."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch

DistanceTile = Callable[[slice, slice], torch.Tensor]
"""The distances between samples i and samples j."""

TILE_ROWS = 512
SAMPLED_ROWS = 1024
KEPT_VALUES = 2**22
"""At most so many entries are held and sorted at a time."""
SMALL_COUNT = 2**17
_BRACKET = 0.03
_BRACKET_ROWS = 512
_SLOTS = 2**16


def upper_entries(distance: DistanceTile, n: int) -> Iterator[torch.Tensor]:
    """Yield the entries above the diagonal, tile by tile, each tile's as a vector."""
    for i, j in upper_tiles(n):
        tile = distance(i, j)
        if i == j:
            tile = tile[torch.ones(tile.shape, dtype=torch.bool, device=tile.device).triu_(1)]
        if tile.numel():
            yield tile.flatten().contiguous()


def upper_tiles(n: int) -> Iterator[tuple[slice, slice]]:
    """Yield the tiles on and above the diagonal, row by row."""
    for start in range(0, n, TILE_ROWS):
        for begin in range(start, n, TILE_ROWS):
            yield slice(start, min(start + TILE_ROWS, n)), slice(begin, min(begin + TILE_ROWS, n))


def sampled_entries(distance: DistanceTile, n: int, rows: int = SAMPLED_ROWS) -> torch.Tensor:
    """Sorted distances between about `rows` evenly spaced samples and as many others."""
    return _sample(distance, n, rows).sort().values


def _sample(distance: DistanceTile, n: int, rows: int) -> torch.Tensor:
    step = max(2, n // rows)
    half = step // 2
    return distance(slice(0, n - half, step), slice(half, n, step)).flatten()


def order_statistics(
    distance: DistanceTile, n: int, positions: tuple[int, int]
) -> tuple[float, float]:
    """The entries at two adjacent (or equal) positions in sorted order, counted from 0.

    Exact, holding at most about `KEPT_VALUES` entries: a sample tells between which values to
    look, and where that fails a histogram over all entries does.
    """
    count = n * (n - 1) // 2
    if count <= SMALL_COUNT:
        return pick(torch.cat(list(upper_entries(distance, n))), positions)
    if can_bracket(count):
        low, high = bracket(distance, n, (positions[0] + 0.5) / count)
        found = _search(distance, n, positions, low, high)
        if found is not None:
            return found
    return _by_histogram(distance, n, positions)


def pick(values: torch.Tensor, positions: tuple[int, int]) -> tuple[float, float]:
    """The values at two positions in sorted order, counted from 0, the first not after the last."""
    first, second = positions
    if values.device.type == "cpu":
        chosen = np.partition(values.numpy(), positions)
        return float(chosen[first]), float(chosen[second])
    lower = float(values.kthvalue(first + 1).values)
    return lower, lower if second == first else float(values.kthvalue(second + 1).values)


def can_bracket(count: int) -> bool:
    """Whether those of so many entries that lie in a bracket can be held, and twice as many."""
    return 4 * _BRACKET * count <= KEPT_VALUES


def bracket(distance: DistanceTile, n: int, fraction: float) -> tuple[float, float]:
    """Between which values the entry at this fraction of the order probably lies, by a sample."""
    values = _sample(distance, n, _BRACKET_ROWS)
    last = len(values) - 1
    low, high = max(0.0, fraction - _BRACKET), min(1.0, fraction + _BRACKET)
    return pick(values, (int(low * last), math.ceil(high * last)))


def _search(
    distance: DistanceTile, n: int, positions: tuple[int, int], low: float, high: float
) -> tuple[float, float] | None:
    """The entries at the positions if both lie in [low, high] and not too many others do."""
    below, held, inside = 0, 0, []
    for values in upper_entries(distance, n):
        below += int((values < low).sum())
        part = values[(values >= low) & (values <= high)]
        held += len(part)
        if held > KEPT_VALUES:
            return None
        inside.append(part)
    first, second = (position - below for position in positions)
    if first < 0 or second >= held:
        return None
    return pick(torch.cat(inside), (first, second))


def _by_histogram(
    distance: DistanceTile, n: int, positions: tuple[int, int]
) -> tuple[float, float]:
    """Narrow the interval that holds the positions until its entries can be held."""
    edges = _thinned(sampled_entries(distance, n))
    while True:
        counts, lowest, highest = histogram(distance, n, edges)
        cumulative = counts.cumsum(0)
        first, last = (int((cumulative <= position).sum()) for position in positions)
        if first != last:
            # Two heavily tied values may be apart for good: look for each on its own.
            lower, _ = _by_histogram(distance, n, (positions[0], positions[0]))
            upper, _ = _by_histogram(distance, n, (positions[1], positions[1]))
            return lower, upper
        low = float(edges[first - 1]) if first > 0 else lowest
        high = float(edges[first]) if first < len(edges) else highest
        if first > 0:
            low = float(torch.nextafter(edges[first - 1], edges[first - 1] + 1))
        if low >= high:
            return high, high
        if int(counts[first]) <= KEPT_VALUES:
            found = _search(distance, n, positions, low, high)
            assert found is not None
            return found
        edges = _distinct_spread(low, high, edges)


def histogram(
    distance: DistanceTile, n: int, edges: torch.Tensor
) -> tuple[torch.Tensor, float, float]:
    """How many entries lie in each (previous edge, edge], and the lowest and highest entry."""
    counts = torch.zeros(len(edges) + 1, dtype=torch.int64, device=edges.device)
    lowest, highest = math.inf, -math.inf
    for values in upper_entries(distance, n):
        counts += torch.bincount(torch.bucketize(values, edges), minlength=len(counts))
        lowest, highest = min(lowest, float(values.min())), max(highest, float(values.max()))
    return counts, lowest, highest


def distinct(values: torch.Tensor) -> torch.Tensor:
    """The different values, sorted."""
    ordered = values.sort().values
    new = torch.ones(len(ordered), dtype=torch.bool, device=ordered.device)
    new[1:] = ordered[1:] != ordered[:-1]
    return ordered[new]


def _thinned(values: torch.Tensor) -> torch.Tensor:
    at = torch.linspace(0, len(values) - 1, min(_SLOTS, len(values)), device=values.device)
    return distinct(values[at.long()])


def _distinct_spread(low: float, high: float, like: torch.Tensor) -> torch.Tensor:
    spread = torch.linspace(0, 1, _SLOTS, dtype=torch.float64, device=like.device)
    return distinct((low + (high - low) * spread).to(like.dtype))
