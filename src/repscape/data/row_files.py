"""Rows of files of any size, read in blocks, never mapped and never held whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from repscape.data.array_files import npy_header
from repscape.errors import InvalidRepresentationError, UnreadableFileError


class NpyRows:
    """The rows of a `.npy` file: a `repscape.compute.streams.RowSource`.

    Parameters
    ----------
    path : str or Path
        A two-dimensional array of real numbers, saved row by row (the default of `np.save`).

    Raises
    ------
    UnreadableFileError
        If the file is missing or is no `.npy` file; `read`, if it ends early.
    InvalidRepresentationError
        If it holds something else than samples × features of real numbers, row by row.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise UnreadableFileError(
                f"{self.path}: there is no such file (looked in {self.path.parent.resolve()})"
            )
        with self.path.open("rb") as file:
            shape, by_columns, self._stored = npy_header(file, str(self.path))
            self._first_byte = file.tell()
        self._check(shape, by_columns)
        self.n, self.d = shape
        single = self._stored.kind == "f" and self._stored.itemsize <= 4
        self.dtype = torch.float32 if single else torch.float64

    def read(self, start: int, out: torch.Tensor) -> None:
        """Fill out (b × d) with the rows start … start + b - 1."""
        wanted = out.numpy()
        direct = wanted.dtype == self._stored and wanted.flags.c_contiguous
        rows = wanted if direct else np.empty(wanted.shape, self._stored)
        with self.path.open("rb", buffering=0) as file:
            file.seek(self._first_byte + start * self.d * self._stored.itemsize)
            self._fill(file, rows)
        if not direct:
            wanted[:] = rows

    def _fill(self, file: Any, rows: npt.NDArray[Any]) -> None:
        left = rows.reshape(-1).view(np.uint8).data
        while left:
            count = file.readinto(left)
            if not count:
                raise UnreadableFileError(
                    f"{self.path}: the array is truncated ({len(left)} bytes short of "
                    f"{self.n} × {self.d} values of {self._stored})"
                )
            left = left[count:]

    def _check(self, shape: tuple[int, ...], by_columns: bool) -> None:
        if len(shape) != 2 or 0 in shape:
            raise InvalidRepresentationError(
                f"{self.path}: the array has shape {shape}: a representation is samples × features"
            )
        if self._stored.kind not in "fiub":
            raise InvalidRepresentationError(
                f"{self.path}: the values have dtype {self._stored}: save real numbers"
            )
        if by_columns and 1 not in shape:
            raise InvalidRepresentationError(
                f"{self.path}: the array was saved column by column, so its rows cannot be read "
                "one after the other: save np.ascontiguousarray(values)"
            )
