"""Linear kernels of any number of samples, from one pass over the rows of two representations.

For shifts s, t and shifted rows x' = x - s, y' = y - t, write z = (x', y', ‖x'‖², ‖y'‖², 1). The
second moments Z = Σ z zᵀ over the samples hold everything that the biased and the debiased HSIC
of linear kernels need, exactly, whatever the shifts: moving the origin maps z linearly, so it
maps Z to T Z Tᵀ, and moments of different samples add up once they have one origin. So rows are
read once, and shards, processes and hosts may share the work.

The origin is the mean of the first rows seen. It only has to be near the mean of all: then
nothing cancels, also where features have large means.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch

from repscape.compute.arrays import check_finite, row_blocks
from repscape.compute.device import on_capable_device
from repscape.compute.gram import PairSums
from repscape.compute.moments import block_moments, centred_pair_sums
from repscape.compute.precision import full_precision
from repscape.errors import InvalidParameterError

if TYPE_CHECKING:
    import numpy.typing as npt

STREAM_BLOCK_ROWS = 8192
_PANEL_FEATURES = 512
_SAFE_SQUARES = (2.0**-60, 2.0**60)
"""Squared norms whose squares, and sums of them, neither overflow nor vanish in float32."""


@runtime_checkable
class RowSource(Protocol):
    """Rows that are read in order, a block at a time, and never held whole."""

    @property
    def n(self) -> int:
        """The number of rows."""

    @property
    def d(self) -> int:
        """The number of features."""

    @property
    def dtype(self) -> torch.dtype:
        """float32 or float64: what `read` fills, and what products are made in."""

    def read(self, start: int, out: torch.Tensor) -> None:
        """Fill out (b × d, on the CPU) with the rows start … start + b - 1."""


class TensorRows:
    """The rows of values in memory (or mapped): a `RowSource`."""

    def __init__(self, values: torch.Tensor) -> None:
        self._values = values
        self.n, self.d = (int(size) for size in values.shape)
        self.dtype = values.dtype

    def read(self, start: int, out: torch.Tensor) -> None:
        """Fill out (b × d) with the rows start … start + b - 1."""
        out.copy_(self._values[start : start + len(out)])


class PairMoments:
    """The moments Z of the module's text, of the samples added so far.

    Parameters
    ----------
    d_x, d_y : int
        The numbers of features of the two sides.
    device : torch.device or str
        Where the moments live and products are made.
    """

    def __init__(self, d_x: int, d_y: int, device: torch.device | str = "cpu") -> None:
        self.n = 0
        self._x, self._y = slice(0, d_x), slice(d_x, d_x + d_y)
        self._origin: torch.Tensor | None = None
        size = d_x + d_y + 3
        # Blocks add to the upper triangle only.
        self._upper = torch.zeros(size, size, dtype=torch.float64, device=device)

    def add(self, x: torch.Tensor, y: torch.Tensor) -> None:
        """Add samples: x (b × d_x) and y (b × d_y), finite, both overwritten.

        Products of float32 values of many features are made in float32, and added up in float64.
        """
        if self._origin is None:
            means = torch.cat([block.mean(dim=0, dtype=torch.float64) for block in (x, y)])
            # An origin that float32 holds is subtracted from any values with one rounding.
            rounded = means.float().double()
            self._origin = torch.where(rounded.isfinite(), rounded, means)
        shifted = [
            block.sub_(self._origin[side].to(block.dtype))
            for block, side in ((x, self._x), (y, self._y))
        ]
        left, squares_x = _with_squares(shifted[0])
        right, squares_y = _with_squares(shifted[1])
        with full_precision():
            self._add_features(left, right)
            self._add_squares(left, right, squares_x, squares_y)
        self.n += len(x)

    def merge(self, other: PairMoments) -> None:
        """Add the samples that `other`, of the same features, has seen."""
        if (other._x, other._y) != (self._x, self._y):
            raise InvalidParameterError(
                f"moments of {_width(other._x)} and {_width(other._y)} features cannot be added "
                f"to moments of {_width(self._x)} and {_width(self._y)}: merge parts of one pair"
            )
        if other._origin is None:
            return
        if self._origin is None:
            self._origin = other._origin
        self._upper += other._moved(self._origin).to(self._upper.device)
        self.n += other.n

    def sums(self) -> tuple[PairSums, PairSums, PairSums]:
        """`PairSums` of the centred linear kernels: of x with y, x with x, and y with y."""
        if self._origin is None:
            raise InvalidParameterError("no samples were added, so there is nothing to sum")
        means = self._upper[: self._y.stop, -1] / self.n
        centred = self._moved(self._origin + means)
        return (
            self._pair(centred, (self._x, -3), (self._y, -2)),
            self._pair(centred, (self._x, -3), (self._x, -3)),
            self._pair(centred, (self._y, -2), (self._y, -2)),
        )

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The state as arrays, to be stored or sent; `from_arrays` is the inverse."""
        origin = torch.empty(0) if self._origin is None else self._origin
        state = {
            "counts": torch.tensor([self.n, _width(self._x), _width(self._y)]),
            "origin": origin,
            "moments": self._upper,
        }
        return {name: tensor.cpu().numpy() for name, tensor in state.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> PairMoments:
        """The moments that `to_arrays` gave."""
        n, d_x, d_y = (int(count) for count in arrays["counts"])
        moments = cls(d_x, d_y)
        moments.n = n
        moments._upper = torch.tensor(arrays["moments"])
        moments._origin = torch.tensor(arrays["origin"]) if n else None
        return moments

    def _add_features(self, x: torch.Tensor, y: torch.Tensor) -> None:
        for block, side in ((x, self._x), (y, self._y)):
            for panel in row_blocks(block.shape[1], _PANEL_FEATURES):
                # Products are symmetric: from this panel on, the rest is there already.
                rows = slice(side.start + panel.start, side.start + panel.stop)
                columns = slice(rows.start, side.stop)
                self._upper[rows, columns] += block_moments(
                    block[:, panel], block[:, panel.start :]
                )
        self._upper[self._x, self._y] += block_moments(x, y)

    def _add_squares(
        self, x: torch.Tensor, y: torch.Tensor, squares_x: torch.Tensor, squares_y: torch.Tensor
    ) -> None:
        last = torch.stack([squares_x, squares_y, torch.ones_like(squares_x)])
        for block, side in ((x, self._x), (y, self._y)):
            self._upper[side, -3:] += (last.to(block.dtype) @ block).T
        self._upper[-3:, -3:] += last @ last.T

    def _moved(self, origin: torch.Tensor) -> torch.Tensor:
        """All of Z, both triangles, for this origin."""
        assert self._origin is not None
        moments = self._upper.triu() + self._upper.triu(1).T
        step = origin.to(moments.device) - self._origin
        if bool(step.any()):
            for rows in (moments, moments.T):
                for position, side in ((-3, self._x), (-2, self._y)):
                    move = step[side]
                    rows[position] += torch.dot(move, move) * rows[-1] - 2.0 * (move @ rows[side])
                    rows[side] -= move[:, None] * rows[-1]
        return moments

    def _pair(self, centred: torch.Tensor, a: tuple[slice, int], b: tuple[slice, int]) -> PairSums:
        """The sums of two sides, each given by where its features and its squares are in Z."""
        (features_a, squares_a), (features_b, squares_b) = a, b
        return centred_pair_sums(
            self.n,
            everything=float(centred[features_a, features_b].square().sum()),
            diagonal=float(centred[squares_a, squares_b]),
            trace_a=float(centred[squares_a, -1]),
            trace_b=float(centred[squares_b, -1]),
        )


def stream_moments(
    x: RowSource,
    y: RowSource,
    start: int = 0,
    stop: int | None = None,
    device: torch.device | str = "cpu",
    block_rows: int = STREAM_BLOCK_ROWS,
) -> PairMoments:
    """Read the rows start … stop - 1 of both sides once, and return their moments.

    Memory: 8 (d_x + d_y + 3)² bytes, three blocks of `block_rows` rows of both sides (the next
    is read while one is used), and the products of one block.

    Raises
    ------
    NonFiniteError
        If a row holds NaN or an infinite value.
    """
    device = on_capable_device(torch.zeros(1), device).device
    moments = PairMoments(x.d, y.d, device)
    stop = min(x.n, y.n) if stop is None else stop
    for rows, (block_x, block_y) in _read_ahead(x, y, start, stop, block_rows):
        for block, name in ((block_x, "x"), (block_y, "y")):
            if not bool(torch.isfinite(block.sum())):
                check_finite(block, f"{name}, counting from row {rows.start},")
        moments.add(block_x.to(device), block_y.to(device))
    return moments


def _read_ahead(
    x: RowSource, y: RowSource, start: int, stop: int, block_rows: int
) -> Iterator[tuple[slice, tuple[torch.Tensor, torch.Tensor]]]:
    """Blocks of rows in two pairs of buffers; one is filled while the other is in use."""
    size = max(1, min(block_rows, stop - start))
    buffers = [
        (torch.empty(size, x.d, dtype=x.dtype), torch.empty(size, y.d, dtype=y.dtype))
        for _ in range(2)
    ]
    blocks = [
        slice(start + rows.start, start + rows.stop) for rows in row_blocks(stop - start, size)
    ]

    def fill(number: int) -> tuple[torch.Tensor, torch.Tensor]:
        rows = blocks[number]
        block_x, block_y = (buffer[: rows.stop - rows.start] for buffer in buffers[number % 2])
        x.read(rows.start, block_x)
        y.read(rows.start, block_y)
        return block_x, block_y

    with ThreadPoolExecutor(1) as reader:
        ahead = reader.submit(fill, 0) if blocks else None
        for number, rows in enumerate(blocks):
            assert ahead is not None
            ready = ahead.result()
            if number + 1 < len(blocks):
                ahead = reader.submit(fill, number + 1)
            yield rows, ready


def _with_squares(block: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The block, in float64 if its squares are too large or small for float32; its norms²."""
    squares = torch.linalg.vector_norm(block, dim=1).double().square_()
    low, high = _SAFE_SQUARES
    if block.dtype != torch.float64 and not low < float(squares.max()) < high:
        block = block.double()
        squares = torch.linalg.vector_norm(block, dim=1).square_()
    return block, squares


def _width(side: slice) -> int:
    return int(side.stop - side.start)
