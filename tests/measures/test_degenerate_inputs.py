"""Dead neurons, low rank, duplicates, n < d, one feature: a defined value or a typed error."""

from __future__ import annotations

import numpy as np
import pytest

from repscape.catalogue import for_representations
from repscape.compare import compare
from repscape.errors import InvalidParameterError, TooFewSamplesError, UndefinedScoreError
from repscape.measures.base import get_measure

MEASURES = [
    "procrustes",
    "size_and_shape",
    "angular_shape[alpha=0]",
    "angular_shape[alpha=0.5]",
    "permutation_procrustes",
    "permutation_procrustes[score=angle]",
    "soft_matching",
    "soft_matching_distance",
    "aligned_cosine",
    "hard_correlation_match",
    "soft_correlation_match",
    "linear_regression",
    "linear_regression[evaluate=cross_validated]",
    "linear_regression[evaluate=cross_validated,ridge=loo]",
    "cca",
    "cca[average=mean_squared]",
    "svcca",
    "svcca_components[k=3]",
    "pwcca",
    "pwcca_unwhitened",
]
DEAD_NEURONS_COUNT = {
    "hard_correlation_match",
    "soft_correlation_match",
    "permutation_procrustes",
    "permutation_procrustes[score=angle]",
}
"""They correlate 0 with every partner, or are partners for those that fit no other."""
ON_SPANS = {
    "angular_shape[alpha=0]",
    "cca",
    "cca[average=mean_squared]",
    "pwcca",
    "pwcca_unwhitened",
    "linear_regression",
}
"""Undefined where the features span all n - 1 dimensions."""


def gaussians(n: int, d: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    return x, x[:, :1] + rng.normal(size=(n, width))


def best(name: str) -> float:
    return 1.0 if get_measure(name).declared.kind == "similarity" else 0.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", MEASURES)
def test_scores_itself_best(name: str, dtype: type) -> None:
    x, _ = gaussians(60, 7, 7)
    x = (100 * x + 30).astype(dtype)
    scale = float(np.linalg.norm(x - x.mean(axis=0)))
    assert float(compare(x, x.copy(), name)) == pytest.approx(best(name), abs=1e-12 * scale)


@pytest.mark.parametrize("name", sorted(set(MEASURES) - DEAD_NEURONS_COUNT))
def test_dead_neurons_change_nothing(name: str) -> None:
    x, y = gaussians(60, 5, 7)
    dead = np.hstack([x[:, :2], np.full((60, 2), 3.0), x[:, 2:], np.zeros((60, 1))])
    assert float(compare(dead, y, name)) == pytest.approx(float(compare(x, y, name)), rel=1e-10)


@pytest.mark.parametrize("name", MEASURES)
def test_duplicate_rows_are_samples_like_others(name: str) -> None:
    x, y = gaussians(60, 5, 7)
    x[30:], y[30:] = x[:30], y[:30]
    score = float(compare(x, y, name))
    low, high = get_measure(name).declared.range
    assert low <= score <= high
    assert score != pytest.approx(best(name), abs=1e-3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", MEASURES)
def test_low_rank_is_seen_as_low_rank(name: str, dtype: type) -> None:
    """Features that repeat others add no canonical correlations of rounding noise."""
    x, y = gaussians(60, 5, 7)
    mix = np.random.default_rng(9).normal(size=(5, 12))
    flat, _ = np.linalg.qr(mix.T)
    low = (x @ flat.T).astype(dtype)
    score = float(compare(low, y.astype(dtype), name))
    assert np.isfinite(score)
    if "orthogonal" in get_measure(name).declared.invariances:
        expected = float(compare(x, y, name))
        assert score == pytest.approx(expected, rel=1e-9 if dtype is np.float64 else 1e-4)


@pytest.mark.parametrize("name", MEASURES)
def test_fewer_samples_than_features(name: str) -> None:
    x, y = gaussians(20, 30, 40)
    if name in ON_SPANS:
        with pytest.raises(UndefinedScoreError, match="span all 19 dimensions"):
            compare(x, y, name)
        return
    score = float(compare(x, y, name))
    low, high = get_measure(name).declared.range
    assert low <= score <= high


@pytest.mark.parametrize("name", sorted(set(MEASURES) - {"svcca_components[k=3]"}))
def test_one_feature(name: str) -> None:
    x, y = gaussians(30, 1, 1)
    correlation = abs(np.corrcoef(x[:, 0], y[:, 0])[0, 1])
    expected = {
        "procrustes": np.sqrt(2 - 2 * correlation),
        "angular_shape[alpha=0]": np.arccos(correlation),
        "angular_shape[alpha=0.5]": np.arccos(correlation),
        "cca": correlation,
        "cca[average=mean_squared]": correlation**2,
        "svcca": correlation,
        "pwcca": correlation,
        "pwcca_unwhitened": correlation,
        "linear_regression": correlation**2,
        "soft_matching": correlation,
        "hard_correlation_match": correlation,
        "soft_correlation_match": correlation,
    }
    score = float(compare(x, y, name))
    assert score == pytest.approx(expected.get(name, score), rel=1e-10)
    assert np.isfinite(score)


@pytest.mark.parametrize("name", sorted(set(MEASURES) - {"size_and_shape"}))
def test_constant_representation(name: str) -> None:
    x, y = gaussians(30, 4, 4)
    constant = np.full_like(y, 0.1)
    if name == "permutation_procrustes":
        expected = np.linalg.norm(x - x.mean(axis=0))
        assert float(compare(x, constant, name)) == pytest.approx(expected, rel=1e-12)
        return
    with pytest.raises(UndefinedScoreError, match=r"same values|no direction|equals the mean"):
        compare(x, constant, name)


def test_size_and_shape_of_a_constant_is_the_size_of_the_other() -> None:
    x, y = gaussians(30, 4, 4)
    expected = np.linalg.norm(x - x.mean(axis=0))
    assert float(compare(x, np.full_like(y, 0.1), "size_and_shape")) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["cca", "svcca", "pwcca", "linear_regression"])
def test_two_samples_are_too_few(name: str) -> None:
    with pytest.raises(TooFewSamplesError, match="at least 3 samples"):
        compare([[0.0], [1.0]], [[0.0], [2.0]], name)


@pytest.mark.parametrize("name", ["size_and_shape", "permutation_procrustes", "procrustes"])
def test_one_sample_that_is_its_own_mean_has_no_distance(name: str) -> None:
    with pytest.raises(TooFewSamplesError, match="at least 2 samples"):
        compare([[0.0, 1.0]], [[5.0, 2.0]], name)


@pytest.mark.parametrize("name", ["size_and_shape", "permutation_procrustes"])
def test_one_sample_that_is_not_centred_has_a_distance(name: str) -> None:
    got = float(compare([[3.0, 0.0]], [[0.0, 5.0]], f"{name}[center=false]"))
    assert got == pytest.approx(2.0)


@pytest.mark.parametrize("scale", [1e160, 1e-165])
@pytest.mark.parametrize("name", [*MEASURES, "cka", "cka[debiased=false]", "rsa", "mutual_knn"])
def test_squares_that_overflow_or_vanish_give_the_right_value_or_a_typed_error(name, scale):
    """Never the value of something else: every measure here that answers ignores the scale."""
    x = np.random.default_rng(0).normal(size=(40, 6))
    y = x @ np.random.default_rng(1).normal(size=(6, 6))
    try:
        value = float(compare(x * scale, y, name))
    except UndefinedScoreError:
        return
    assert "isotropic_scaling" in get_measure(name).declared.invariances
    assert value == pytest.approx(float(compare(x, y, name)), rel=1e-6)


@pytest.mark.parametrize("exponent", [-100, 100])
@pytest.mark.parametrize(
    "measure", for_representations()[0], ids=lambda measure: measure.declared.name
)
def test_no_power_of_two_spoils_float32(measure, exponent):
    """Squares of such values leave float32; the number is that of the same values in float64."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 12))
    y = (x + rng.normal(size=(40, 12))).astype(np.float32)
    far = np.ldexp(x.astype(np.float32), exponent)
    expected = float(compare(far.astype(np.float64), y, measure))
    assert float(compare(far, y, measure)) == pytest.approx(expected, rel=1e-5)
    if "isotropic_scaling" in measure.declared.invariances:
        assert expected == pytest.approx(float(compare(x.astype(np.float32), y, measure)), abs=1e-5)


def test_several_measures_where_one_is_asked_for():
    with pytest.raises(InvalidParameterError, match="similarity_matrix takes several"):
        compare(np.eye(5), np.eye(5), ["cka", "rsa"])
