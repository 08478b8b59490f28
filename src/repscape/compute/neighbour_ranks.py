"""How many samples are nearer than a given one, or than a radius, without sorting anything.

The rank of j seen from i is 1 + the number of samples nearer to i than j, ties broken by index:
one pass over float64 tiles of products counts what lies surely below and possibly below every
distance asked for; only where the two differ are exact distances formed.
"""

from __future__ import annotations

import torch

from repscape.compute.arrays import as_tensor, check_finite, row_blocks, within_range
from repscape.compute.exact import ExactDistances, Metric
from repscape.compute.memory import parse_bytes
from repscape.compute.neighbours import DEFAULT_MEMORY_LIMIT
from repscape.compute.operands import Operands, error_coefficient
from repscape.compute.threads import in_ranges
from repscape.errors import InvalidParameterError

_ROWS = 1024
_COLUMNS = 2048
_BYTES_PER_ENTRY = 8 + 8 + 2
_UNDERFLOW = 8 * torch.finfo(torch.float64).tiny


def neighbour_ranks(
    x: torch.Tensor,
    targets: torch.Tensor,
    metric: Metric = "euclidean",
    memory_limit: str | float = DEFAULT_MEMORY_LIMIT,
) -> torch.Tensor:
    """Rank given samples among the neighbours of every row of x.

    Parameters
    ----------
    x
        (n, d) floating-point values, finite.
    targets
        (n, t) integers: row i lists samples other than i, e.g. its neighbours elsewhere.
    metric
        "euclidean" or "cosine".
    memory_limit
        Bytes held beyond x, the targets and the result; changes the speed, never the ranks.

    Returns
    -------
    (n, t) int64 on the CPU, from 1 (the nearest) to n − 1, by (distance, index).

    Raises
    ------
    InvalidParameterError
        If a row lists itself or a sample that does not exist.
    """
    check_finite(x, "x")
    x, _ = within_range(as_tensor(x).contiguous())
    targets = targets.long().to(x.device)
    n = int(x.shape[0])
    own = torch.arange(n, device=x.device)[:, None]
    if targets.shape[:1] != (n,) or bool(((targets == own) | (targets < 0) | (targets >= n)).any()):
        raise InvalidParameterError(
            f"the targets of {n} samples are {n} rows of other samples' numbers (0 … {n - 1})"
        )
    count = _Counting(x, metric)
    ranks = torch.empty(targets.shape, dtype=torch.int64)
    for i in row_blocks(n, _block_rows(n, memory_limit)):
        left = own[i, 0].repeat_interleave(targets.shape[1])
        limits = count.exact.pairs(left, targets[i].reshape(-1)).view(targets[i].shape)
        ranks[i] = count.before(i, limits, targets[i]).cpu() + 1
    return ranks


def neighbours_within(
    x: torch.Tensor,
    radii: torch.Tensor,
    metric: Metric = "euclidean",
    memory_limit: str | float = DEFAULT_MEMORY_LIMIT,
) -> torch.Tensor:
    """Count, for every row of x (n × d), the other samples nearer than each radius (t,).

    Returns (n, t) int64 on the CPU. Parameters as in `neighbour_ranks`.
    """
    check_finite(x, "x")
    x, unscale = within_range(as_tensor(x).contiguous())
    if metric == "euclidean":
        radii = radii.double() / unscale
    n = int(x.shape[0])
    count = _Counting(x, metric)
    counts = torch.empty(n, len(radii), dtype=torch.int64)
    for i in row_blocks(n, _block_rows(n, memory_limit)):
        limits = radii.double().to(x.device).expand(i.stop - i.start, -1)
        # No sample comes before "sample −1" at the same distance, so the radius itself is outside.
        none = torch.full(limits.shape, -1, dtype=torch.int64, device=x.device)
        counts[i] = count.before(i, limits, none).cpu()
    return counts


def _block_rows(n: int, memory_limit: str | float) -> int:
    bytes_of_row = _BYTES_PER_ENTRY * min(n, _COLUMNS)
    return max(1, min(n, _ROWS, parse_bytes(memory_limit) // 2 // bytes_of_row))


class _Counting:
    """The counts of one representation: operands for the tiles, exact distances for the doubts."""

    def __init__(self, x: torch.Tensor, metric: Metric) -> None:
        n, d = int(x.shape[0]), int(x.shape[1])
        self.n = n
        self.compiled = x.device.type == "cpu"
        self.exact = ExactDistances.of(x, metric, self.compiled)
        order = torch.arange(n, device=x.device)
        self.operands = Operands(x, self.exact.squared_norms, order)
        self.coefficient = error_coefficient(d, torch.float64)
        self.largest = torch.stack([self._block(j)[1].max() for j in row_blocks(n, _COLUMNS)]).max()
        self.underflow = d * _UNDERFLOW

    def before(self, i: slice, limits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """How many samples come before (limit, target) by (distance, index), seen from rows i."""
        squared = self.operands.to_squared(limits)
        y, norms = self._block(i)
        slack = self.coefficient * (norms + self.largest)[:, None] + self.underflow
        low = (squared - slack - norms[:, None]).contiguous()
        high = (squared + slack - norms[:, None]).contiguous()
        below = torch.zeros_like(low, dtype=torch.int64)
        near = torch.zeros_like(below)
        for j in row_blocks(self.n, _COLUMNS):
            self._count(self._tile(y, i, j), low, high, below, near)
        # The target itself is always near its own distance; anything else there is a doubt.
        doubtful = (near - below > (targets >= 0).long()).any(dim=1).nonzero()[:, 0]
        if len(doubtful):
            bounds = (low[doubtful], high[doubtful], limits[doubtful], targets[doubtful])
            below[doubtful] += self._doubts(y[doubtful], doubtful + i.start, *bounds)
        return below

    def _block(self, i: slice) -> tuple[torch.Tensor, torch.Tensor]:
        y, _ = self.operands.block64(i)
        return y, y.square().sum(dim=1)

    def _tile(self, y: torch.Tensor, i: slice, j: slice) -> torch.Tensor:
        """‖y_j‖² − 2 y_i·y_j, with the samples themselves at infinity."""
        other, norms = self._block(j)
        tile = torch.addmm(norms, y, other.T, alpha=-2)
        start, stop = max(i.start, j.start), min(i.stop, j.stop)
        if start < stop:
            inside = torch.arange(start, stop, device=y.device)
            tile[inside - i.start, inside - j.start] = torch.inf
        return tile

    def _count(
        self,
        tile: torch.Tensor,
        low: torch.Tensor,
        high: torch.Tensor,
        below: torch.Tensor,
        near: torch.Tensor,
    ) -> None:
        if self.compiled:
            from repscape.compute.compiled_ranks import count_up_to

            arrays = (tile, low, high, below, near)
            in_ranges(count_up_to, len(tile), *(array.numpy() for array in arrays))
            return
        for t in range(low.shape[1]):
            below[:, t] += (tile < low[:, t : t + 1]).sum(dim=1)
            near[:, t] += (tile <= high[:, t : t + 1]).sum(dim=1)

    def _doubts(
        self,
        y: torch.Tensor,
        rows: torch.Tensor,
        low: torch.Tensor,
        high: torch.Tensor,
        limits: torch.Tensor,
        targets: torch.Tensor,
    ) -> torch.Tensor:
        """Of the samples in doubt for each row and target, those before it: exactly."""
        found = torch.zeros_like(low, dtype=torch.int64)
        for j in row_blocks(self.n, _COLUMNS):
            other, norms = self._block(j)
            tile = torch.addmm(norms, y, other.T, alpha=-2)
            tile[rows[:, None] == torch.arange(j.start, j.stop, device=y.device)] = torch.inf
            for t in range(low.shape[1]):
                doubt = (tile >= low[:, t : t + 1]) & (tile <= high[:, t : t + 1])
                at, column = doubt.nonzero(as_tuple=True)
                sample = column + j.start
                distance, limit = self.exact.pairs(rows[at], sample), limits[at, t]
                tied = (distance == limit) & (sample < targets[at, t])
                found[:, t].index_add_(0, at, ((distance < limit) | tied).long())
        return found
