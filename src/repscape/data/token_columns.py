"""Arrow columns of token lists and of one vector per token, read without copying them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from repscape.errors import UnreadableFileError


@dataclass(frozen=True, eq=False)
class NestedVectors:
    """A column that lists, for every example, one vector per token.

    Attributes
    ----------
    starts, counts : (n,) int64
        Where the vectors of an example begin, and how many there are.
    begins : (vectors,) int64
        Where the values of a vector begin.
    width : int
        How many values every vector has.
    values : (…) array
        All values, mapped where they lie.
    """

    starts: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    begins: npt.NDArray[np.int64]
    width: int
    values: npt.NDArray[Any]

    def rows(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """The vectors of these numbers, (m, width); reads nothing else."""
        found: npt.NDArray[Any] = self.values[self.begins[numbers][:, None] + np.arange(self.width)]
        return found


def list_lengths(column: pa.Array, where: str) -> npt.NDArray[np.int64]:
    """How many entries each row of a column of lists has, (n,)."""
    starts, ends, _ = _lists(column, where)
    lengths: npt.NDArray[np.int64] = ends - starts
    return lengths


def nested_vectors(column: pa.Array, where: str) -> NestedVectors:
    """A column of lists of vectors of real numbers.

    Raises `UnreadableFileError` for another type, for nulls, and for vectors of several lengths.
    """
    starts, ends, inner = _lists(column, where)
    begins, stops, values = _lists(inner, where)
    used = slice(int(starts.min(initial=0)), int(ends.max(initial=0)))
    widths = np.unique((stops - begins)[used])
    if len(widths) > 1:
        raise UnreadableFileError(
            f"{where} holds vectors of {widths[0]} and of {widths[-1]} values: every token of a "
            "model has as many"
        )
    if not pa.types.is_floating(values.type):
        raise UnreadableFileError(f"{where} holds {values.type}, but vectors are of real numbers")
    if values.null_count:
        raise UnreadableFileError(f"{where} holds {values.null_count} nulls among its numbers")
    width = int(widths[0]) if len(widths) else 0
    return NestedVectors(
        starts, ends - starts, begins, width, values.to_numpy(zero_copy_only=False)
    )


def _lists(
    column: pa.Array, where: str
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], pa.Array]:
    """Where each list begins and ends among the values, and the values."""
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if column.null_count:
        raise UnreadableFileError(f"{where} has {column.null_count} null rows")
    if isinstance(column, pa.FixedSizeListArray):
        size = column.type.list_size
        starts = (column.offset + np.arange(len(column), dtype=np.int64)) * size
        return starts, starts + size, column.values
    if isinstance(column, pa.ListArray | pa.LargeListArray):
        offsets = column.offsets.to_numpy().astype(np.int64)
        return offsets[:-1], offsets[1:], column.values
    raise UnreadableFileError(f"{where} has type {column.type}, but lists were expected")
