from __future__ import annotations

import numpy as np
import pytest

import repscape
from repscape.analysis.noise_ceiling import disattenuated_correlation, reliability, spearman_brown
from repscape.errors import InvalidParameterError, TooFewSamplesError, UndefinedScoreError
from repscape.representation import Representation
from repscape.significance.halves import split_halves


def test_spearman_brown_by_hand() -> None:
    assert spearman_brown(0.5) == pytest.approx(2 / 3)
    assert spearman_brown(0.5, 4) == pytest.approx(0.8)
    assert spearman_brown(1.0) == 1.0
    assert spearman_brown(2 / 3, 0.5) == pytest.approx(0.5)


def noisy(rng: np.random.Generator, true: np.ndarray, sd: float) -> np.ndarray:
    return true + sd * rng.standard_normal(len(true))


def test_reliability_and_disattenuation_recover_what_was_planted() -> None:
    rng = np.random.default_rng(0)
    size = 20_000
    true = rng.standard_normal(size)
    other = 0.6 * true + 0.8 * rng.standard_normal(size)
    halves = [noisy(rng, true, 1.0) for _ in "ab"]
    whole = (halves[0] + halves[1]) / 2
    found = reliability(*halves)
    assert found.halves == pytest.approx(0.5, abs=0.02)
    assert found.whole == pytest.approx(2 / 3, abs=0.02)
    assert found.ceiling == pytest.approx(np.corrcoef(whole, true)[0, 1], abs=0.02)
    noisy_other = [noisy(rng, other, 0.5) for _ in "ab"]
    other_whole = (noisy_other[0] + noisy_other[1]) / 2
    raw = np.corrcoef(whole, other_whole)[0, 1]
    assert raw < 0.5
    mended = disattenuated_correlation(
        whole, other_whole, found.whole, reliability(*noisy_other).whole
    )
    assert mended == pytest.approx(0.6, abs=0.02)


def test_square_matrices_count_their_upper_triangle() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.standard_normal((2, 6, 6)) + rng.standard_normal((6, 6))
    above = np.triu_indices(6, 1)
    expected = np.corrcoef(first[above], second[above])[0, 1]
    assert reliability(first, second).halves == pytest.approx(expected)
    first[0, 1] = np.nan
    expected = np.corrcoef(first[above][1:], second[above][1:])[0, 1]
    assert reliability(first, second).halves == pytest.approx(expected)


@pytest.mark.parametrize("of", ["samples", "features"])
def test_halves_of_samples_and_features(of: str) -> None:
    x = np.random.default_rng(2).standard_normal((9, 7))
    first, second = split_halves(Representation(x, key="whole"), of, seed=3)
    # A half is no artefact that a store may have under the key of the whole.
    assert "whole" not in (first.key, second.key)
    if of == "samples":
        assert first.values.shape == second.values.shape == (4, 7)
        assert not set(first.sample_ids) & set(second.sample_ids)
        np.testing.assert_array_equal(first.values, x[first.sample_ids])
        again, _ = split_halves(x[:, :2], of, seed=3)
        assert list(again.sample_ids) == list(first.sample_ids)
    else:
        assert first.values.shape == second.values.shape == (9, 3)
        columns = [
            next(j for j in range(7) if (x[:, j] == column).all())
            for half in (first, second)
            for column in half.values.T
        ]
        assert len(set(columns)) == 6


def test_a_ceiling_from_halves_of_the_samples() -> None:
    rng = np.random.default_rng(3)
    base = rng.standard_normal((300, 6))
    models = [base + rng.uniform(0.2, 3) * rng.standard_normal((300, 6)) for _ in range(7)]
    halves = [
        repscape.similarity_matrix([split_halves(m)[side].values for m in models], "cka").table
        for side in (0, 1)
    ]
    found = reliability(halves[0]["value"], halves[1]["value"])
    assert 0.5 < found.halves < found.whole < found.ceiling < 1


def test_bad_input() -> None:
    with pytest.raises(UndefinedScoreError, match="not positive"):
        reliability([1.0, 2.0, 3.0], [3.0, 2.0, 1.0])
    with pytest.raises(UndefinedScoreError, match="do not vary"):
        reliability([1.0, 1.0, 1.0], [3.0, 2.0, 1.0])
    with pytest.raises(UndefinedScoreError, match="do not vary"):
        reliability([0.1, 0.1, 0.1], [1.0, 2.0, 4.0])  # their mean is not 0.1
    with pytest.raises(UndefinedScoreError, match="too few"):
        reliability([1.0, 2.0], [1.0, 2.0])
    with pytest.raises(InvalidParameterError, match="do not match"):
        reliability([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(InvalidParameterError, match="reliability of 0"):
        disattenuated_correlation([1.0, 2.0, 3.0], [1.0, 2.0, 4.0], 0.0, 0.5)
    with pytest.raises(InvalidParameterError, match="between -1 and 1"):
        spearman_brown(1.5)
    with pytest.raises(InvalidParameterError, match="of='rows'"):
        split_halves(np.eye(4), "rows")
    with pytest.raises(TooFewSamplesError, match="1 features"):
        split_halves(np.ones((4, 1)), "features")
