from __future__ import annotations

import numpy as np
import pytest

from repscape.compare import compare


def test_one_feature_is_matched_with_all() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 1)), rng.normal(size=(40, 5))
    correlations = np.corrcoef(x.T, y.T)[0, 1:]
    assert float(compare(x, y, "soft_matching")) == pytest.approx(correlations.mean(), rel=1e-12)
    gaps = ((x - x.mean()) - (y - y.mean(axis=0))) ** 2
    expected = np.sqrt(gaps.sum(axis=0).mean())
    assert float(compare(x, y, "soft_matching_distance")) == pytest.approx(expected, rel=1e-12)


def test_repeating_every_feature_changes_nothing() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(40, 6))
    y = x[:, :4] + rng.normal(size=(40, 4))
    for name in ("soft_matching", "soft_matching_distance"):
        expected = float(compare(x, y, name))
        assert float(compare(np.repeat(x, 3, axis=1), y, name)) == pytest.approx(expected)
    copies = float(compare(x, np.repeat(x, 3, axis=1), "soft_matching_distance"))
    assert copies == pytest.approx(0.0, abs=1e-14)


def test_the_distance_obeys_the_triangle_inequality_between_widths() -> None:
    rng = np.random.default_rng(2)
    for _ in range(10):
        reps = [rng.normal(size=(12, d)) for d in rng.integers(1, 7, size=3)]
        d01, d12, d02 = (
            float(compare(reps[i], reps[j], "soft_matching_distance"))
            for i, j in ((0, 1), (1, 2), (0, 2))
        )
        assert d02 <= d01 + d12 + 1e-12


@pytest.mark.parametrize(("d", "width"), [(7, 7), (9, 6), (5, 13)])
def test_agrees_with_pot(d: int, width: int) -> None:
    ot = pytest.importorskip("ot", reason="POT is not installed")
    rng = np.random.default_rng(d)
    x, y = rng.normal(size=(30, d)), rng.normal(size=(30, width))
    weights = np.full(d, 1 / d), np.full(width, 1 / width)
    correlation = np.corrcoef(x.T, y.T)[:d, d:]
    expected = 1 - ot.emd2(*weights, 1 - correlation)
    assert float(compare(x, y, "soft_matching")) == pytest.approx(expected, rel=1e-10)
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    costs = ((x.T[:, None] - y.T) ** 2).sum(axis=2)
    expected = np.sqrt(ot.emd2(*weights, costs))
    assert float(compare(x, y, "soft_matching_distance")) == pytest.approx(expected, rel=1e-10)
