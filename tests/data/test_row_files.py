"""Rows are read as they stand in the file; anything else is refused with what to do."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from repscape.data.row_files import NpyRows
from repscape.errors import InvalidRepresentationError, UnreadableFileError, UnsafeFileError


def save(folder, values):
    path = folder / "values.npy"
    np.save(path, values)
    return path


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f8", "int32", "bool"])
def test_rows_come_as_they_stand(tmp_path, dtype):
    values = (np.arange(70).reshape(10, 7) % 5).astype(dtype)
    rows = NpyRows(save(tmp_path, values))
    assert (rows.n, rows.d) == (10, 7)
    expected = torch.float32 if dtype in ("float16", "float32") else torch.float64
    assert rows.dtype == expected
    out = torch.empty(4, 7, dtype=rows.dtype)
    rows.read(3, out)
    assert np.array_equal(out.numpy(), values[3:7].astype(out.numpy().dtype))


def test_a_truncated_file_says_so(tmp_path):
    path = save(tmp_path, np.ones((10, 7)))
    path.write_bytes(path.read_bytes()[:-9])
    rows = NpyRows(path)
    rows.read(0, torch.empty(8, 7, dtype=torch.float64))
    with pytest.raises(UnreadableFileError, match=r"truncated .9 bytes short of 10 × 7"):
        rows.read(8, torch.empty(2, 7, dtype=torch.float64))


def test_a_missing_file_says_where_it_was_looked_for(tmp_path):
    with pytest.raises(UnreadableFileError, match=str(tmp_path)):
        NpyRows(tmp_path / "none.npy")


def test_columns_first_is_refused(tmp_path):
    with pytest.raises(InvalidRepresentationError, match="column by column"):
        NpyRows(save(tmp_path, np.asfortranarray(np.ones((5, 3)))))


@pytest.mark.parametrize("shape", [(5,), (5, 3, 2), (0, 3)])
def test_other_shapes_are_refused(tmp_path, shape):
    with pytest.raises(InvalidRepresentationError, match="samples × features"):
        NpyRows(save(tmp_path, np.ones(shape)))


def test_complex_numbers_are_refused(tmp_path):
    with pytest.raises(InvalidRepresentationError, match="complex128"):
        NpyRows(save(tmp_path, np.ones((5, 3), complex)))


def test_pickles_are_refused(tmp_path):
    path = tmp_path / "objects.npy"
    np.save(path, np.array([[{}]], dtype=object), allow_pickle=True)
    with pytest.raises(UnsafeFileError):
        NpyRows(path)
