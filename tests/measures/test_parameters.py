"""Every number that a measure takes: in range it gives a score, out of range it is refused."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from repscape.compare import compare
from repscape.errors import InvalidParameterError, RepscapeError, TooFewSamplesError
from repscape.measures.base import MEASURES, get_measure

NEEDED = {
    "sigma": ("kernel=rbf", "kernel=laplace"),
    "shrinkage": ("rdm=mahalanobis",),
    "folds": ("evaluate=cross_validated",),
    "ridge": ("evaluate=in_sample", "evaluate=cross_validated"),
}
"""With what a parameter has an effect."""
TINY = ["1e-320", "1e-160", "1e-45", "1e-20"]
HUGE = ["1e20", "1e45", "1e160", "1e300", "1000000000000"]
VALUES = ["-1", "0", *TINY, "0.5", "1", "59", "60", *HUGE]


def numeric() -> list[tuple[str, str]]:
    """Every measure with a parameter that is read from a number, but for the number."""
    found = []
    for cls in MEASURES.classes():
        for field in dataclasses.fields(cls):
            if not isinstance(field.default, (bool, str)):
                found += [
                    (f"{cls.spec.name}[{beside}{field.name}=", "]")
                    for beside in (f"{needed}," for needed in NEEDED.get(field.name, ()))
                ] or [(f"{cls.spec.name}[{field.name}=", "]")]
    return found


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(60, 12))
    x, y = (latent @ rng.normal(size=(12, d)) + rng.normal(size=(60, d)) for d in (9, 7))
    x[7] = x[3]
    return x, y


def test_all_that_takes_a_number_is_tried():
    names = {before.partition("[")[0] for before, _ in numeric()}
    assert {"cka", "gulp", "uniformity_difference", "mutual_knn", "linear_regression"} <= names
    assert len(numeric()) >= 20


@pytest.mark.parametrize(("before", "after"), numeric())
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "-1"])
def test_what_is_no_finite_number_in_range_is_refused(before, after, value):
    with pytest.raises(InvalidParameterError, match=f"={value}"):
        get_measure(f"{before}{value}{after}")


@pytest.mark.parametrize(("before", "after"), numeric())
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_number_gives_a_score_in_range_or_a_typed_error(before, after, dtype, pair):
    x, y = (side.astype(dtype) for side in pair)
    scores = 0
    for value in VALUES:
        try:
            measure = get_measure(f"{before}{value}{after}")
            low, high = measure.declared.range
            score = compare(x, y, measure).value
        except RepscapeError:
            continue
        assert math.isfinite(score)
        assert low - 1e-7 <= score <= high + 1e-7
        scores += 1
    assert scores


@pytest.mark.parametrize(
    "name", ["mutual_knn[k=1000000000000]", "svcca_components[k=1000000000000]"]
)
def test_more_neighbours_than_samples_are_too_few_samples_not_too_little_memory(name, pair):
    with pytest.raises(TooFewSamplesError, match="and there are 60"):
        compare(*pair, name)


def test_a_regularization_whose_square_vanishes_is_refused(pair):
    assert compare(*pair, "gulp[regularization=1e100]").value == pytest.approx(
        1e-50 * compare(*pair, "gulp[regularization=1e50]").value, rel=1e-12
    )
    with pytest.raises(InvalidParameterError, match=r"between 0 and 1e\+100"):
        get_measure("gulp[regularization=1e300]")
