"""Estimators in the style of scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.base import clone

from repscape.compute.neighbours import neighbours
from repscape.describe import describe
from repscape.errors import InvalidParameterError, UndefinedScoreError
from repscape.geometry import estimators
from repscape.geometry.estimators import (
    CorrelationIntegral,
    Gride,
    LocalPCA,
    MaximumLikelihood,
    MethodOfMoments,
    TwoNN,
)

NAMES = {
    TwoNN: "twonn",
    MaximumLikelihood: "mle",
    CorrelationIntegral: "correlation_integral",
    MethodOfMoments: "method_of_moments",
    LocalPCA: "local_pca",
}


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(500, 4))


@pytest.mark.parametrize("cls", NAMES)
def test_the_estimate_is_the_descriptor(cls, points):
    fitted = cls().fit(points)
    row = describe(points, NAMES[cls]).values.iloc[0]
    assert fitted.dimension_ == row["value"]
    assert fitted.standard_error_ == row["standard_error"]
    assert fitted.scale_ == row["scale"]
    assert fitted.n_features_in_ == 4


def test_gride_takes_any_two_ranks(points):
    curve = describe(points, "gride").table.set_index("scale")["value"]
    assert Gride(8).fit(points).dimension_ == pytest.approx(curve[16], rel=1e-13)
    assert Gride(5, 17).fit(points).dimension_ == pytest.approx(4, abs=0.4)
    with pytest.raises(InvalidParameterError, match="1 ≤ n1 < n2"):
        Gride(4, 4).fit(points)


@pytest.mark.parametrize("cls", [TwoNN, Gride, MaximumLikelihood, MethodOfMoments])
def test_distances_and_neighbours_will_do(cls, points):
    direct = cls().fit(points).dimension_
    gaps = np.linalg.norm(points[:, None] - points[None], axis=2)
    assert cls(metric="precomputed").fit(gaps).dimension_ == pytest.approx(direct, rel=1e-10)
    table = neighbours(torch.from_numpy(points), 20)
    assert cls().fit(table).dimension_ == direct
    cosine = neighbours(torch.from_numpy(points), 20, "cosine")
    assert cls().fit(cosine).dimension_ == cls(metric="cosine").fit(points).dimension_


def test_a_short_table_is_refused(points):
    with pytest.raises(InvalidParameterError, match="5 neighbours of each sample, fewer than 20"):
        MaximumLikelihood().fit(neighbours(torch.from_numpy(points), 5))
    with pytest.raises(InvalidParameterError, match="only distances or neighbours"):
        TwoNN(decimation=2).fit(neighbours(torch.from_numpy(points), 5))


def test_scikit_learn_can_clone_and_set():
    cloned = clone(TwoNN(method="mle", duplicates="keep"))
    assert cloned.get_params()["method"] == "mle"
    assert cloned.set_params(method="linear").method == "linear"
    assert "duplicates='keep'" in repr(cloned)
    with pytest.raises(InvalidParameterError, match="did you mean 'method'"):
        cloned.set_params(metod="mle")


def test_duplicates(points):
    twice = np.vstack([points, points[:50]])
    fitted = TwoNN().fit(twice)
    assert fitted.dimension_ == TwoNN().fit(points).dimension_
    assert fitted.diagnostics_.duplicates == 50
    with pytest.raises(InvalidParameterError, match="50 rows"):
        TwoNN(duplicates="error").fit(twice)


def test_there_is_never_a_nan():
    with pytest.raises(UndefinedScoreError):
        TwoNN().fit(np.ones((30, 3)))


def test_every_estimator_is_tested():
    base = estimators.DimensionEstimator
    assert set(base.__subclasses__()) == {*NAMES, Gride}
