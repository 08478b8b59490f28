"""All pairwise inner products of n×n matrices, in one sweep over their tiles.

Kernel and distance matrices are never built whole. For each tile (I, J), I ≤ J, the tile of
every matrix is formed once, shifted by a per-matrix pivot (the sums stay accurate), stacked as
V (M × b²) and multiplied: V Vᵀ holds that tile's part of every pairwise inner product. Cost
n²Σd/2 + n²M²/2 multiplications for M representations of widths d, where a pair loop takes
about n²dM².
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch

from repscape.compute.matrix import Matrix
from repscape.compute.memory import show_bytes
from repscape.compute.rows import Rows
from repscape.compute.tile_groups import Division, Tile, upper_tiles
from repscape.compute.tile_stack import TileStack, distinct_rows
from repscape.errors import MemoryLimitError

TILE_ROWS = 512
SMALLEST_TILE_ROWS = 16
DENSE_ROWS = 2048
"""Up to this n a prepared matrix may be kept whole (32 MiB in float64)."""


@dataclass(frozen=True)
class PairSums:
    """What the measures of the Gram family need of two matrices A and B, each less its pivot.

    Attributes
    ----------
    n : int
        Number of samples.
    off : float
        Σ_{i≠j} A_ij B_ij.
    rows : float
        Σ_i (Σ_{j≠i} A_ij)(Σ_{j≠i} B_ij).
    total_a, total_b : float
        Σ_{i≠j} A_ij and the same of B.
    diagonal : float
        Σ_i A_ii B_ii.
    cross_ab, cross_ba : float
        Σ_i A_ii Σ_{j≠i} B_ij, and with A and B exchanged.
    trace_a, trace_b : float
        Σ_i A_ii and the same of B.
    pivot_a, pivot_b : float
        What was subtracted from every entry, the diagonal included.
    """

    n: int
    off: float
    rows: float
    total_a: float
    total_b: float
    diagonal: float
    cross_ab: float
    cross_ba: float
    trace_a: float
    trace_b: float
    pivot_a: float = 0.0
    pivot_b: float = 0.0


Pairs = Sequence[tuple[int, int]]


def dense_pair_sums(a: Matrix, b: Matrix) -> PairSums:
    """`PairSums` of two matrices that are kept whole (n ≤ `DENSE_ROWS`)."""
    off = float(torch.dot(a.dense.flatten(), b.dense.flatten()))
    return assemble(a, b, off, a.dense_row_sums, b.dense_row_sums)


def sweep(
    matrices: Sequence[Matrix], groups: Sequence[Pairs], memory_limit: int
) -> list[dict[tuple[int, int], PairSums]]:
    """`PairSums` for the pairs of every group, from one pass over the tiles.

    Parameters
    ----------
    matrices : sequence of Matrix
        All of the same n.
    groups : sequence of sequences of (i, j)
        Positions in `matrices`. Products are formed within a group only.
    memory_limit : int
        Bytes beyond the inputs.

    Returns
    -------
    One mapping from pair to sums for each group.
    """
    side = tile_side(matrices[0].n, len(matrices), _widest(matrices), memory_limit)
    blocks = [_GroupProducts(group, matrices[0].diagonal.device) for group in groups]
    tiles = upper_tiles(matrices[0].n, side)
    row_sums = _add_tiles(matrices, blocks, tiles, side, memory_limit)
    return [_finished(matrices, block, row_sums) for block in blocks]


def group_sums(
    matrices: Sequence[Matrix], pairs: Pairs, division: Division, group: int, memory_limit: int
) -> dict[str, torch.Tensor]:
    """What one group of tiles adds to the sums of these pairs, in float64: see `sums_of_groups`."""
    side = tile_side(matrices[0].n, len(matrices), _widest(matrices), memory_limit)
    if side < min(division.side, matrices[0].n):
        raise MemoryLimitError(
            f"{len(matrices)} matrices in tiles of {division.side}×{division.side}, as this sweep "
            f"was divided, do not fit into the {show_bytes(memory_limit)} of memory_limit that are "
            "left for them: raise it"
        )
    block = _GroupProducts(pairs, matrices[0].diagonal.device)
    tiles = division.tiles(matrices[0].n, group)
    row_sums = _add_tiles(matrices, [block], tiles, division.side, memory_limit)
    return {"cross": block.cross, "selfs": block.selfs, "rows": row_sums}


def sums_of_groups(
    matrices: Sequence[Matrix], pairs: Pairs, groups: Iterable[Mapping[str, torch.Tensor]]
) -> dict[tuple[int, int], PairSums]:
    """`PairSums` from what `group_sums` found for every group, added in the order given.

    They differ from those of `sweep` in the last bits only: there every tile is added to one
    running sum, here to that of its group first.
    """
    device = matrices[0].diagonal.device
    block = _GroupProducts(pairs, device)
    row_sums = block.cross.new_zeros(len(matrices), matrices[0].n)
    for group in groups:
        block.cross += group["cross"].to(device)
        block.selfs += group["selfs"].to(device)
        row_sums += group["rows"].to(device)
    return _finished(matrices, block, row_sums)


def _add_tiles(
    matrices: Sequence[Matrix],
    blocks: Sequence[_GroupProducts],
    tiles: Iterable[Tile],
    side: int,
    memory_limit: int,
) -> torch.Tensor:
    """Add the products of these tiles to the blocks; return their part of the row sums."""
    stack = TileStack(matrices, side)
    with _rows_to_keep(matrices, memory_limit):
        for i, j in tiles:
            tile = stack.form(i, j)
            for block in blocks:
                block.add(tile, 1.0 if i == j else 2.0)
    return stack.row_sums


def _finished(
    matrices: Sequence[Matrix], block: _GroupProducts, row_sums: torch.Tensor
) -> dict[tuple[int, int], PairSums]:
    return {
        (a, b): assemble(matrices[a], matrices[b], off, row_sums[a], row_sums[b])
        for (a, b), off in block.finish().items()
    }


class _GroupProducts:
    """Accumulates V_left V_rightᵀ for the matrices that the pairs of one group touch."""

    def __init__(self, pairs: Pairs, device: torch.device) -> None:
        self.pairs = pairs
        self.left = sorted({a for a, b in pairs if a != b})
        self.right = sorted({b for a, b in pairs if a != b})
        both = sorted({*self.left, *self.right})
        if 2 * len(self.left) * len(self.right) > len(both) ** 2:
            # One operand for both sides spares a gathered copy of almost everything.
            self.left = self.right = both
        self.own = sorted({a for a, b in pairs if a == b} - (set(self.left) & set(self.right)))
        self.cross = torch.zeros(
            len(self.left), len(self.right), dtype=torch.float64, device=device
        )
        self.selfs = torch.zeros(len(self.own), dtype=torch.float64, device=device)

    def add(self, stack: torch.Tensor, weight: float) -> None:
        flat = stack.flatten(start_dim=1)
        if self.left:
            self.cross += weight * self._products(flat)
        for position, index in enumerate(self.own):
            self.selfs[position] += weight * torch.dot(flat[index], flat[index])

    def _products(self, flat: torch.Tensor) -> torch.Tensor:
        if self.left != self.right:
            return _rows(flat, self.left) @ _rows(flat, self.right).T
        if flat.device.type != "cpu":
            both = _rows(flat, self.left)
            return both @ both.T
        from repscape.compute.compiled_products import inner_products

        return torch.from_numpy(inner_products(flat.numpy(), self.left))

    def finish(self) -> dict[tuple[int, int], float]:
        row_of = {index: row for row, index in enumerate(self.left)}
        column_of = {index: column for column, index in enumerate(self.right)}
        own = {index: float(value) for index, value in zip(self.own, self.selfs, strict=True)}
        cross = self.cross.cpu()
        return {
            (a, b): own[a] if a == b and a in own else float(cross[row_of[a], column_of[b]])
            for a, b in self.pairs
        }


def _rows(flat: torch.Tensor, wanted: list[int]) -> torch.Tensor:
    """These rows, ascending; neighbouring rows without a copy."""
    first, last = wanted[0], wanted[-1]
    return flat[first : last + 1] if last - first + 1 == len(wanted) else flat[wanted]


def assemble(
    a: Matrix, b: Matrix, off: float, rows_a: torch.Tensor, rows_b: torch.Tensor
) -> PairSums:
    """Form `PairSums` from Σ_{i≠j} A_ij B_ij and the row sums without the diagonal, (n,)."""
    diagonal_a, diagonal_b = a.diagonal - a.pivot, b.diagonal - b.pivot
    return PairSums(
        n=a.n,
        off=off,
        rows=float(torch.dot(rows_a, rows_b)),
        total_a=float(rows_a.sum()),
        total_b=float(rows_b.sum()),
        diagonal=float(torch.dot(diagonal_a, diagonal_b)),
        cross_ab=float(torch.dot(diagonal_a, rows_b)),
        cross_ba=float(torch.dot(diagonal_b, rows_a)),
        trace_a=float(diagonal_a.sum()),
        trace_b=float(diagonal_b.sum()),
        pivot_a=a.pivot,
        pivot_b=b.pivot,
    )


def _widest(matrices: Sequence[Matrix]) -> int:
    return max((m.rows.d for m in matrices if m.rows is not None), default=0)


def tile_side(n: int, count: int, width: int, memory_limit: int) -> int:
    """The largest tile such that the stack and its temporaries take half of the budget.

    For `count` matrices of n samples whose rows have at most `width` features.
    """

    def needed(side: int) -> int:
        # The stack, the gathered left and right operands, and a few single tiles, in float64;
        # two blocks of rows on their way from float64.
        return 8 * (3 * count + 6) * side**2 + 24 * side * width

    side = min(n, TILE_ROWS)
    while side > SMALLEST_TILE_ROWS and needed(side) > memory_limit // 2:
        side //= 2
    if needed(side) > memory_limit // 2:
        raise MemoryLimitError(
            f"{count} matrices in tiles of {side}×{side} need {show_bytes(2 * needed(side))} of "
            f"memory, but {show_bytes(memory_limit)} of memory_limit are left for them: raise it, "
            "or compare fewer representations at once"
        )
    return side


class _Residents:
    """Keeps the prepared rows of some matrices in memory while a sweep runs."""

    def __init__(self, rows: Sequence[Rows]) -> None:
        self._rows = rows

    def __enter__(self) -> None:
        for rows in self._rows:
            rows.keep()

    def __exit__(self, *_: object) -> None:
        for rows in self._rows:
            rows.release()


def _rows_to_keep(matrices: Sequence[Matrix], memory_limit: int) -> _Residents:
    """Choose whose prepared rows to keep: as many as fit into the other half of the budget."""
    left = memory_limit // 2
    keep = []
    for rows in distinct_rows(matrices).values():
        if not rows.has_products and rows.bytes <= left:
            keep.append(rows)
            left -= rows.bytes
    return _Residents(keep)
