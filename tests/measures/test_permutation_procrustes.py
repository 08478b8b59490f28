from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from repscape.compare import compare


@pytest.mark.parametrize("width", [4, 5])
def test_is_the_best_of_all_matchings(width: int) -> None:
    rng = np.random.default_rng(width)
    x, y = rng.normal(size=(20, 4)), rng.normal(size=(20, width))
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    padded = np.hstack([x, np.zeros((20, width - 4))])
    orders = [list(p) for p in permutations(range(width))]
    distance = min(np.linalg.norm(padded - y[:, p]) for p in orders)
    assert float(compare(x, y, "permutation_procrustes")) == pytest.approx(distance, rel=1e-12)
    cosine = max((padded * y[:, p]).sum() for p in orders)
    cosine /= np.linalg.norm(x) * np.linalg.norm(y)
    angle = float(compare(x, y, "permutation_procrustes[score=angle]"))
    assert angle == pytest.approx(np.arccos(cosine), rel=1e-12)


def test_opposite_single_features_are_at_a_straight_angle() -> None:
    x = np.random.default_rng(0).normal(size=(20, 1))
    assert float(compare(x, -x, "permutation_procrustes[score=angle]")) == pytest.approx(np.pi)


def test_is_no_smaller_than_the_best_rotation() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(20, 6)), rng.normal(size=(20, 4))
    assert float(compare(x, y, "permutation_procrustes")) >= float(compare(x, y, "size_and_shape"))
