from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from repscape.compare import compare


@pytest.mark.parametrize("width", [4, 5])
def test_hard_match_is_the_best_of_all_one_to_one_matchings(width: int) -> None:
    rng = np.random.default_rng(width)
    x, y = rng.normal(size=(25, 4)), rng.normal(size=(25, width))
    table = np.corrcoef(x.T, y.T)[:4, 4:]
    every = [table[range(4), chosen].mean() for chosen in permutations(range(width), 4)]
    score = float(compare(x, y, "hard_correlation_match"))
    assert score == pytest.approx(max(every), rel=1e-12)
    assert float(compare(y, x, "hard_correlation_match")) == pytest.approx(score, rel=1e-12)


def test_soft_match_averages_the_best_partners_of_both_sides() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(25, 4)), rng.normal(size=(25, 6))
    table = np.corrcoef(x.T, y.T)[:4, 4:]
    expected = (table.max(axis=1).mean() + table.max(axis=0).mean()) / 2
    assert float(compare(x, y, "soft_correlation_match")) == pytest.approx(expected, rel=1e-12)


def test_correlations_are_signed() -> None:
    x = np.random.default_rng(1).normal(size=(25, 1))
    assert float(compare(x, -x, "hard_correlation_match")) == pytest.approx(-1.0)
    assert float(compare(x, -x, "soft_correlation_match")) == pytest.approx(-1.0)


def test_a_dead_neuron_correlates_0() -> None:
    x = np.random.default_rng(2).normal(size=(25, 3))
    x[:, 1] = 0.1
    assert float(compare(x, x, "hard_correlation_match")) == pytest.approx(2 / 3)


def test_each_feature_has_its_own_positive_scale() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(25, 4)), rng.normal(size=(25, 4))
    scaled = x * [1e-6, 1.0, 7.0, 1e6] + [1e3, 0.0, 1.0, -2.0]
    for name in ("hard_correlation_match", "soft_correlation_match"):
        expected = float(compare(x, y, name))
        assert float(compare(scaled, y, name)) == pytest.approx(expected, abs=1e-6)
