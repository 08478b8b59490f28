from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression, Ridge, RidgeCV
from sklearn.model_selection import KFold

from repscape.compare import compare
from repscape.compute.factors import thin_svd
from repscape.errors import InvalidParameterError
from repscape.measures.base import get_measure
from repscape.measures.linear_regression import leave_one_out_penalty


def pair(n: int = 50, d: int = 6, width: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) + 2.0
    return x, x @ rng.normal(size=(d, width)) + rng.normal(size=(n, width)) - 1.0


def pooled(y: np.ndarray, predicted: np.ndarray, mean: np.ndarray) -> float:
    return float(1 - ((y - predicted) ** 2).sum() / ((y - mean) ** 2).sum())


def test_in_sample_is_the_r2_of_least_squares_in_either_direction() -> None:
    x, y = pair()
    for name, source, target in (("y", x, y), ("x", y, x)):
        predicted = LinearRegression().fit(source, target).predict(source)
        expected = pooled(target, predicted, target.mean(axis=0))
        got = float(compare(x, y, f"linear_regression[predict={name}]"))
        assert got == pytest.approx(expected, rel=1e-10)


def test_the_sides_exchange() -> None:
    x, y = pair()
    forth = float(compare(x, y, "linear_regression[predict=y]"))
    assert float(compare(y, x, "linear_regression[predict=x]")) == forth


@pytest.mark.parametrize("penalty", [0.5, 20.0])
def test_in_sample_ridge(penalty: float) -> None:
    x, y = pair()
    predicted = Ridge(alpha=penalty, solver="svd").fit(x, y).predict(x)
    got = float(compare(x, y, f"linear_regression[ridge={penalty}]"))
    assert got == pytest.approx(pooled(y, predicted, y.mean(axis=0)), rel=1e-10)


@pytest.mark.parametrize(("n", "d"), [(53, 6), (23, 40)])
@pytest.mark.parametrize("penalty", [0.0, 3.0])
def test_cross_validation_uses_contiguous_folds_and_training_statistics(
    n: int, d: int, penalty: float
) -> None:
    x, y = pair(n, d)
    error = total = 0.0
    edges = [n * f // 4 for f in range(5)]
    for start, stop in pairwise(edges):
        train = np.r_[:start, stop:n]
        mean_x, mean_y = x[train].mean(axis=0), y[train].mean(axis=0)
        a, b = x[train] - mean_x, y[train] - mean_y
        inner = a.T @ a + penalty * np.eye(d)
        weights = np.linalg.pinv(inner, rcond=1e-12) @ a.T @ b
        predicted = (x[start:stop] - mean_x) @ weights + mean_y
        error += ((y[start:stop] - predicted) ** 2).sum()
        total += ((y[start:stop] - mean_y) ** 2).sum()
    name = f"linear_regression[evaluate=cross_validated,folds=4,ridge={penalty:g}]"
    assert float(compare(x, y, name)) == pytest.approx(1 - error / total, rel=1e-7)


def test_held_out_r2_of_unrelated_data_is_not_positive() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(60, 20)), rng.normal(size=(60, 3))
    assert float(compare(x, y, "linear_regression")) > 0.2
    assert float(compare(x, y, "linear_regression[evaluate=cross_validated]")) < 0.0


def test_leave_one_out_chooses_as_refitting_would() -> None:
    x, y = pair(24, 30, 3)
    values = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
    grid = [10.0**k * values[0] ** 2 for k in range(-10, 3)]

    def error(penalty: float) -> float:
        folds = KFold(24).split(x)
        return sum(
            ((Ridge(penalty, solver="svd").fit(x[i], y[i]).predict(x[j]) - y[j]) ** 2).sum()
            for i, j in folds
        )

    centred = torch.from_numpy(y - y.mean(axis=0))
    chosen = leave_one_out_penalty(thin_svd(torch.from_numpy(x), center=True), centred)
    assert chosen == pytest.approx(min(grid, key=error), rel=1e-9)
    agreed = RidgeCV(grid).fit(x, y).alpha_
    assert chosen == pytest.approx(agreed, rel=1e-9)


def test_leave_one_out_counts_the_intercept_of_few_samples() -> None:
    """1/n of every leverage is the mean's: with six samples it decides which penalty is best."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x, noise = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
        y = x[:, :2] + noise
        svd = thin_svd(torch.from_numpy(x), center=True)
        grid = [10.0**k * float(svd.values[0]) ** 2 for k in range(-10, 3)]
        chosen = leave_one_out_penalty(svd, torch.from_numpy(y - y.mean(axis=0)))
        assert chosen == pytest.approx(RidgeCV(grid).fit(x, y).alpha_, rel=1e-9)


def test_leave_one_out_of_equal_errors_takes_the_larger_penalty() -> None:
    svd = thin_svd(torch.from_numpy(pair(24, 30, 3)[0]), center=True)
    nothing = torch.zeros(24, 2, dtype=torch.float64)
    largest = 100 * float(svd.values[0]) ** 2
    assert leave_one_out_penalty(svd, nothing) == pytest.approx(largest, rel=1e-12)


def test_leave_one_out_helps_where_samples_are_as_many_as_features() -> None:
    x, y = pair(50, 40, 3)
    plain = float(compare(x, y, "linear_regression[evaluate=cross_validated]"))
    tuned = float(compare(x, y, "linear_regression[evaluate=cross_validated,ridge=loo]"))
    assert tuned > plain


def test_names() -> None:
    tuned = get_measure("linear_regression[ridge=loo,evaluate=cross_validated]")
    written = "linear_regression[predict=y,evaluate=cross_validated,ridge=loo,folds=5]@1"
    assert tuned.name == written
    assert get_measure(written) == tuned
    for wrong, said in (
        ("ridge=-1", "ridge=-1"),
        ("ridge=cv", "ridge=cv"),
        ("folds=3", "no effect"),
    ):
        with pytest.raises(InvalidParameterError, match=said):
            get_measure(f"linear_regression[{wrong}]")
