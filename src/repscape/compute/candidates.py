"""Candidates for the nearest neighbours: the smallest float32 lower bounds of the distances.

For every row the `keep` samples of smallest key (1 − c)‖y_j‖² − 2 g_ij are listed, together with
a bound below which no unlisted sample can lie, so that exact distances of the listed ones
decide whether anything was missed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from repscape.compute.arrays import row_blocks
from repscape.compute.memory import show_bytes
from repscape.compute.operands import Operands
from repscape.compute.threads import in_ranges
from repscape.errors import MemoryLimitError

LARGEST_TILE = 1024
SMALLEST_TILE = 16


@dataclass(frozen=True, eq=False)
class Candidates:
    """What is near the positions start … start + m.

    The first `keep` columns of `positions` list them in no order, those of `keys` (float32) have
    their keys: key + the row's floor is a lower bound of the scaled squared distance. Every other
    sample has one of at least `beyond` (m,) float64.
    """

    start: int
    positions: torch.Tensor
    keys: torch.Tensor
    beyond: torch.Tensor


@dataclass(frozen=True)
class TilePlan:
    """How much is held at a time: tiles of `edge` columns, lists of `panel_rows` rows."""

    edge: int
    panel_rows: int
    keep_operands: bool


def plan_tiles(operands: Operands, keep: int, budget: int) -> TilePlan:
    """Choose the largest tiles and panels for which the sweep fits into `budget` bytes."""
    n, d = operands.n, operands.d
    list_bytes = 8 * min(2 * keep, n - 1) + 8
    edge = LARGEST_TILE
    while edge > SMALLEST_TILE and _tile_bytes(edge, d) > budget // 3:
        edge //= 2
    rest = budget - _tile_bytes(edge, d)
    if rest < edge * list_bytes:
        needed = 3 * _tile_bytes(SMALLEST_TILE, d) + SMALLEST_TILE * list_bytes
        raise MemoryLimitError(
            f"the neighbours of {n} samples with {d} features need at least {show_bytes(needed)} "
            f"for {keep} candidates per row, but {show_bytes(max(budget, 0))} are left of "
            "memory_limit"
        )
    # Lists of all rows come first: they let every tile serve both of its sides.
    panel = min(n, rest // list_bytes)
    return TilePlan(edge, panel, rest - panel * list_bytes >= operands.bytes)


def sweep(operands: Operands, keep: int, plan: TilePlan) -> Iterator[Candidates]:
    """Yield the candidates panel by panel, by compiled loops over tiles of products (CPU).

    Within a panel only the tiles of the upper triangle are formed; each feeds the lists of its
    rows and of its columns.
    """
    if plan.keep_operands:
        operands.keep()
    floors = operands.floors
    for panel in row_blocks(operands.n, plan.panel_rows):
        lists = _Lists(panel, keep, min(2 * keep, operands.n - 1), floors)
        _fill(lists, operands, plan.edge)
        yield lists.finish()


def from_whole_rows(operands: Operands, keep: int, rows: int) -> Iterator[Candidates]:
    """Yield the candidates of `rows` rows at a time, by tensors alone (any device)."""
    floors = operands.floors
    offsets = floors.float()
    for i in row_blocks(operands.n, rows):
        y = operands.block(i)
        keys = torch.cat(
            [
                torch.addmm(offsets[j], y, operands.block(j).T, alpha=-2)
                for j in row_blocks(operands.n, LARGEST_TILE)
            ],
            dim=1,
        )
        here = torch.arange(len(y), device=y.device)
        keys[here, here + i.start] = torch.inf
        nearest = keys.topk(keep, dim=1, largest=False, sorted=False)
        beyond = nearest.values.amax(dim=1).double() + floors[i]
        if keep == operands.n - 1:
            beyond = torch.full_like(beyond, torch.inf)
        yield Candidates(i.start, nearest.indices, nearest.values, beyond)


class _Lists:
    """The running candidate lists of one panel of rows."""

    def __init__(self, panel: slice, keep: int, capacity: int, floors: torch.Tensor) -> None:
        size = panel.stop - panel.start
        self.panel = panel
        self.keep = keep
        self.floors = floors
        self.offsets = floors.float().numpy()
        self.keys = torch.empty(size, capacity, dtype=torch.float32)
        self.ids = torch.empty(size, capacity, dtype=torch.int32)
        self.counts = torch.zeros(size, dtype=torch.int32)
        self.bounds = torch.full((size,), torch.inf, dtype=torch.float32)

    def offer(self, tile: torch.Tensor, i: slice, j: slice, both: bool) -> None:
        """Offer the products of the positions i and j to the lists of i and, if `both`, of j."""
        from repscape.compute.compiled import offer_to_columns, offer_to_rows

        products, offsets = tile.numpy(), self.offsets
        row_side = (products, offsets[j], i.start, j.start, *self._of(i))
        in_ranges(offer_to_rows, i.stop - i.start, *row_side)
        if both:
            column_side = (products, offsets[i], i.start, *self._of(j))
            in_ranges(offer_to_columns, j.stop - j.start, *column_side)

    def finish(self) -> Candidates:
        """Return what the lists hold."""
        from repscape.compute.compiled import finish_lists

        in_ranges(finish_lists, len(self.counts), *self._of(self.panel))
        beyond = self.bounds.double() + self.floors[self.panel]
        return Candidates(self.panel.start, self.ids, self.keys, beyond)

    def _of(self, positions: slice) -> tuple[Any, ...]:
        """The lists of these positions, as the compiled loops take them."""
        here = slice(positions.start - self.panel.start, positions.stop - self.panel.start)
        arrays = (self.keys, self.ids, self.counts, self.bounds)
        return (*(array[here].numpy() for array in arrays), self.keep)


def _fill(lists: _Lists, operands: Operands, edge: int) -> None:
    panel = lists.panel
    tile = torch.empty(edge, edge, dtype=torch.float32)
    inside = _blocks(panel.start, panel.stop, edge)
    outside = _blocks(0, panel.start, edge) + _blocks(panel.stop, operands.n, edge)
    for number, i in enumerate(inside):
        y = operands.block(i)
        for j in inside[number:] + outside:
            other = y if j == i else operands.block(j)
            torch.mm(y, other.T, out=tile[: len(y), : len(other)])
            mirrored = i.start < j.start < panel.stop
            lists.offer(tile, i, j, both=mirrored)


def _blocks(start: int, stop: int, edge: int) -> list[slice]:
    return [slice(start + b.start, start + b.stop) for b in row_blocks(stop - start, edge)]


def _tile_bytes(edge: int, d: int) -> int:
    """A tile, and two blocks of operands with what it takes to make one of them."""
    return 4 * edge * edge + edge * d * (2 * 4 + 3 * 8)
