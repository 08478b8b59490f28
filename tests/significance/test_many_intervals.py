"""Intervals of a whole table equal those of its pairs."""

from __future__ import annotations

import numpy as np
import pytest

import repscape
from repscape.errors import InvalidParameterError
from repscape.tables import INTERVAL_COLUMNS, NULL_COLUMNS, SIMILARITY_COLUMNS


def many() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 5))
    noisy = {f"y{i}": x + (i + 0.5) * rng.standard_normal((60, 5)) for i in range(3)}
    return {"x": x, **noisy, "constant": np.ones((60, 2))}


@pytest.mark.parametrize(
    ("measure", "method"),
    [
        ("cka", "jackknife"),
        ("rsa", "jackknife"),
        ("mutual_knn[k=5]", "jackknife"),
        ("procrustes", "jackknife"),
        ("cka", "subsampling"),
    ],
)
def test_the_table_holds_the_intervals_of_its_pairs(method: str, measure: str) -> None:
    reps = many()
    table = repscape.similarity_matrix(
        reps, measure, interval=method, confidence=0.9, seed=3
    ).table.set_index(["rep_a", "rep_b"])
    for a, b in (("x", "y0"), ("y1", "y2")):
        alone = repscape.compare(reps[a], reps[b], measure, interval=method, confidence=0.9, seed=3)
        found = table.loc[(a, b)]
        assert (found["interval_low"], found["interval_high"]) == pytest.approx(
            alone.interval, rel=1e-9, abs=1e-12
        )
        assert found["standard_error"] == pytest.approx(alone.standard_error, rel=1e-9)
        assert (found["interval_method"], found["confidence"]) == (method, 0.9)
    missing = table.loc[("x", "constant")]
    assert np.isnan(missing["interval_low"])
    assert missing["interval_reason"] == missing["reason"]


def test_columns_stand_behind_those_of_the_null() -> None:
    table = repscape.similarity_matrix(
        many(), "cka", interval="jackknife", null="permutation", n_permutations=9
    ).table
    assert list(table.columns) == [*SIMILARITY_COLUMNS, *NULL_COLUMNS, *INTERVAL_COLUMNS]
    few = repscape.similarity_matrix(many(), "mutual_knn[k=57]", interval="jackknife").table
    assert few["value"].notna().sum() == 6
    assert "leaves out 3 of 60" in few["interval_reason"].iloc[0]


def test_bad_input() -> None:
    with pytest.raises(InvalidParameterError, match="bootstrap is for one pair"):
        repscape.similarity_matrix(many(), "rsa", interval="bootstrap")
    with pytest.raises(InvalidParameterError, match=r"confidence=2"):
        repscape.similarity_matrix(many(), "rsa", interval="jackknife", confidence=2)
