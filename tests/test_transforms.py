"""Transforms against numpy, in every precision."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn import decomposition
from sklearn.preprocessing import StandardScaler

from repscape.compare import compare, similarity_matrix
from repscape.errors import InvalidParameterError, UndefinedScoreError
from repscape.measures.base import get_measure
from repscape.transforms import (
    PCA,
    TRANSFORMS,
    Center,
    Clip,
    UnitNorm,
    UnitRows,
    ZScore,
    column_mean,
)


@pytest.fixture
def x() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(size=(30, 6)) * np.array([5, 3, 1, 0.5, 0.1, 0.01]) + 2


WANTED = {
    Center(): lambda x: x - x.mean(0),
    UnitRows(): lambda x: x / np.linalg.norm(x, axis=1, keepdims=True),
    UnitNorm(): lambda x: x / np.linalg.norm(x),
    ZScore(): lambda x: StandardScaler().fit_transform(x),
    Clip(0.9): lambda x: np.clip(x, -np.quantile(abs(x), 0.9), np.quantile(abs(x), 0.9)),
}


@pytest.mark.parametrize("transform", WANTED, ids=str)
@pytest.mark.parametrize(("dtype", "allowed"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_values(transform, x, dtype, allowed):
    values = torch.from_numpy(x.astype(dtype))
    before = values.clone()
    got = transform.apply(values)
    assert got.dtype == values.dtype
    assert got.numpy() == pytest.approx(WANTED[transform](values.double().numpy()), abs=allowed)
    assert torch.equal(values, before)


@pytest.mark.parametrize("variance", [0.0, 0.5, 0.9, 0.99, 1.0])
@pytest.mark.parametrize("wide", [False, True])
def test_pca_keeps_the_fewest_components(x, variance, wide):
    if wide:
        x = np.hstack([x, x @ np.random.default_rng(1).normal(size=(6, 50))])
    projected = PCA(variance).apply(torch.from_numpy(x)).numpy()
    reference = decomposition.PCA().fit(x)
    share = reference.explained_variance_ratio_.cumsum()
    keep = max(1, int((share < variance - 1e-12).sum()) + 1)
    assert projected.shape == (30, min(keep, 6) if variance == 1.0 else keep)
    wanted = reference.transform(x)[:, : projected.shape[1]]
    assert abs(projected) == pytest.approx(abs(wanted), abs=1e-8)


def test_constant_features_become_zero_in_zscore(x):
    x[:, 2] = 0.1
    assert not ZScore().apply(torch.from_numpy(x))[:, 2].any()


@pytest.mark.parametrize(
    ("transform", "values", "message"),
    [
        (
            UnitRows(),
            torch.eye(3)[[0, 1, 1]] * torch.tensor([[1.0], [0.0], [1.0]]),
            "row 1 is zero",
        ),
        (UnitNorm(), torch.zeros(3, 2), "all values are 0"),
        (PCA(), torch.ones(3, 2), "no principal components"),
    ],
)
def test_what_has_no_image_is_refused(transform, values, message):
    with pytest.raises(UndefinedScoreError, match=message):
        transform.apply(values)


def test_the_mean_of_a_constant_feature_is_exact():
    x = torch.full((10_001, 2), 0.1, dtype=torch.float32)
    assert torch.equal(column_mean(x), x[0].double())


def test_a_mean_under_a_large_offset():
    x = np.random.default_rng(0).normal(size=(5000, 3)) + 1e8
    wanted = [math.fsum(column) / 5000 for column in x.T]
    assert column_mean(torch.from_numpy(x), block_rows=7).numpy() == pytest.approx(
        wanted, rel=1e-15
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pair
        for a, b in [
            (Center(), UnitRows()),
            (UnitRows(), ZScore()),
            (Clip(0.9), ZScore()),
            (Center(), Clip(0.9)),
            (UnitNorm(), ZScore()),
        ]
        for pair in [(a, b), (b, a)]
    ],
    ids=str,
)
def test_transforms_are_applied_from_left_to_right_on_every_way_to_a_score(first, second, x):
    """What stands first is done first: centred unit rows are not the unit rows of centred ones."""
    y = np.random.default_rng(1).normal(size=(30, 6)) + 1
    name = f"{first.step}|{second.step}|size_and_shape[center=false]"
    a, b = (WANTED[second](WANTED[first](side)) for side in (x, y))
    nuclear = np.linalg.norm(a.T @ b, ord="nuc")
    expected = math.sqrt((a**2).sum() + (b**2).sum() - 2 * nuclear)
    measure = get_measure(name)
    left, right = torch.from_numpy(x), torch.from_numpy(y)
    for prepare in (measure.prepare, measure.prepare_for_subsets):
        assert measure.compare(prepare(left), prepare(right)) == pytest.approx(expected, rel=1e-9)
    assert compare(x, y, name).value == pytest.approx(expected, rel=1e-9)
    table = similarity_matrix([x, y, x], [name, "cka"]).table
    assert table["value"][0] == pytest.approx(expected, rel=1e-9)


def test_a_quantile_of_1_clips_nothing(x):
    assert torch.equal(Clip(1.0).apply(torch.from_numpy(x)), torch.from_numpy(x))
    assert not Clip(0.0).apply(torch.from_numpy(x)).abs().max() > abs(x).min()


def test_declared_invariances_follow_the_order_of_transforms():
    both = get_measure("center|unit_rows|cka[debiased=false]").declared.invariances
    assert both == {"orthogonal", "permutation", "isotropic_scaling", "translation"}
    assert "translation" not in get_measure("unit_rows|procrustes").declared.invariances
    assert "orthogonal" not in get_measure("zscore|procrustes").declared.invariances
    assert get_measure("procrustes").declared.metric
    assert not get_measure("center|procrustes").declared.metric


def test_names():
    assert TRANSFORMS.names() == ["center", "clip", "pca", "unit_norm", "unit_rows", "zscore"]
    assert Clip(0.9).step == "clip[quantile=0.9]"
    with pytest.raises(InvalidParameterError, match="must be between 0 and 1"):
        PCA(1.1)
