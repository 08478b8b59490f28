"""Files and arrays of any size are scored in one pass, as `compare` scores them."""

from __future__ import annotations

import numpy as np
import pytest

from repscape.compare import compare
from repscape.compute.streams import PairMoments
from repscape.data.row_files import NpyRows
from repscape.errors import (
    InvalidParameterError,
    SampleMismatchError,
    TooFewSamplesError,
    UndefinedScoreError,
)
from repscape.representation import Representation
from repscape.streaming import compare_streams, partial_moments, score_moments


@pytest.fixture
def files(tmp_path):
    generator = np.random.default_rng(3)
    shared = generator.normal(size=(700, 5))
    paths = []
    for name, d in (("x", 30), ("y", 50)):
        values = shared @ generator.normal(size=(5, d)) + generator.normal(size=(700, d)) + 7
        paths.append(tmp_path / f"{name}.npy")
        np.save(paths[-1], values)
    return paths


@pytest.mark.parametrize("measure", ["cka", "cka[debiased=false]"])
def test_files_score_as_arrays_do(files, measure):
    expected = compare(*map(np.load, files), measure)
    got = compare_streams(*files, measure, block_rows=64)
    assert got.value == pytest.approx(expected.value, abs=1e-10)
    assert (got.measure, got.kind, got.n) == (expected.measure, expected.kind, 700)
    assert compare_streams(str(files[0]), np.load(files[1]), measure).value == pytest.approx(
        expected.value, abs=1e-10
    )


@pytest.mark.parametrize("dtype", ["float16", "float32", ">f4", "int16"])
def test_files_of_every_dtype(files, tmp_path, dtype):
    x, y = (np.round(10 * np.load(file)).astype(dtype) for file in files)
    np.save(tmp_path / "a.npy", x)
    np.save(tmp_path / "b.npy", y)
    got = compare_streams(tmp_path / "a.npy", tmp_path / "b.npy", block_rows=100)
    expected = compare(x.astype("float64"), y.astype("float64"))
    assert got.value == pytest.approx(expected.value, abs=1e-6)


def test_shares_of_the_rows_add_up(files):
    expected = compare_streams(*files).value
    shares = [partial_moments(*files, rows) for rows in (slice(300), slice(300, None))]
    sent = [PairMoments.from_arrays(share.to_arrays()) for share in shares]
    assert score_moments(sent).value == pytest.approx(expected, abs=1e-12)
    assert score_moments(sent[::-1]).value == pytest.approx(expected, abs=1e-12)
    # Scoring does not use the shares up.
    assert score_moments(sent).value == score_moments(sent).value


def test_sample_ids_are_checked():
    x = np.random.default_rng(0).normal(size=(20, 3))
    a = Representation(x, sample_ids=[f"s{i}" for i in range(20)])
    b = Representation(x, sample_ids=[f"s{i}" for i in reversed(range(20))])
    with pytest.raises(SampleMismatchError, match="row 0"):
        compare_streams(a, b)


def test_unequal_numbers_of_rows(files, tmp_path):
    np.save(tmp_path / "short.npy", np.ones((5, 2)))
    with pytest.raises(SampleMismatchError, match="700 rows and y has 5"):
        compare_streams(files[0], tmp_path / "short.npy")


@pytest.mark.parametrize("measure", ["procrustes", "cka[kernel=rbf]", "unit_rows|cka"])
def test_measures_that_need_more_than_moments(files, measure):
    with pytest.raises(InvalidParameterError, match="one pass over the rows"):
        compare_streams(*files, measure)


def test_too_few_samples():
    with pytest.raises(TooFewSamplesError, match="at least 4 samples, and there are 3"):
        compare_streams(np.eye(3), np.eye(3))


def test_constant_values_have_no_score():
    with pytest.raises(UndefinedScoreError):
        compare_streams(np.full((50, 3), 0.1), np.random.default_rng(0).normal(size=(50, 3)))


def test_every_other_row_is_refused(files):
    with pytest.raises(InvalidParameterError, match="consecutive"):
        partial_moments(*files, slice(0, 100, 2))


def test_a_row_source_of_ones_own(files):
    class Reversed:
        def __init__(self, path):
            self._rows = NpyRows(path)
            self.n, self.d, self.dtype = self._rows.n, self._rows.d, self._rows.dtype

        def read(self, start, out):
            self._rows.read(self.n - start - len(out), out)
            out.copy_(out.flip(0))

    got = compare_streams(Reversed(files[0]), Reversed(files[1]), block_rows=64)
    assert got.value == pytest.approx(compare_streams(*files).value, abs=1e-12)
