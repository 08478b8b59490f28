from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles

from repscape.compare import compare
from repscape.errors import UndefinedScoreError
from repscape.measures.base import get_measure


def correlations(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.cos(subspace_angles(x - x.mean(axis=0), y - y.mean(axis=0)))


def pair(n: int = 80, d: int = 6, width: int = 9) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, d)) * 2.0 ** np.arange(d)
    return x + 5.0, np.hstack([x[:, :3] + rng.normal(size=(n, 3)), rng.normal(size=(n, width - 3))])


def test_cca_averages_the_cosines_of_the_subspace_angles() -> None:
    x, y = pair()
    rho = correlations(x, y)
    assert float(compare(x, y, "cca")) == pytest.approx(rho.mean(), rel=1e-10)
    squared = float(compare(x, y, "cca[average=mean_squared]"))
    assert squared == pytest.approx((rho**2).mean(), rel=1e-10)
    assert get_measure("r2_cca").name == "cca[average=mean_squared]@1"


def test_cca_does_not_see_invertible_maps() -> None:
    x, y = pair()
    mixed = x @ np.random.default_rng(1).normal(size=(6, 6)) - 3.0
    assert float(compare(mixed, y, "cca")) == pytest.approx(float(compare(x, y, "cca")), rel=1e-9)


def test_mean_squared_cca_of_independent_data_is_its_stated_chance() -> None:
    rng = np.random.default_rng(2)
    scores = [
        float(compare(rng.normal(size=(100, 5)), rng.normal(size=(100, 12)), "r2_cca"))
        for _ in range(40)
    ]
    assert np.mean(scores) == pytest.approx(12 / 99, abs=4 * np.std(scores) / np.sqrt(40))


def test_svcca_components_compares_leading_principal_subspaces() -> None:
    x, y = pair()
    leading = []
    for z in (x, y):
        u, _, _ = np.linalg.svd(z - z.mean(axis=0), full_matrices=False)
        leading.append(u[:, :4])
    expected = correlations(*leading).mean()
    assert float(compare(x, y, "svcca_components[k=4]")) == pytest.approx(expected, rel=1e-9)
    with pytest.raises(UndefinedScoreError, match=r"k=7.*only 6 principal components"):
        compare(x, y, "svcca_components[k=7]")


@pytest.mark.parametrize("kept", [1, 2, 3, 4])
def test_svcca_stops_where_the_fraction_is_reached_exactly(kept):
    """Four directions of one variance: a fraction of 2/4 is two of them, whatever rounding says."""
    signs = np.array([[1.0, -1.0], [1.0, 1.0]])
    x = np.kron(np.kron(signs, signs), signs)[:, [1, 2, 4, 7]] * 3.7
    state = get_measure(f"svcca[variance={kept / 4}]").prepare(torch.from_numpy(x))
    assert state.shape == (8, kept)


def test_svcca_of_all_the_variance_keeps_the_rank_and_no_more():
    """Shares that rounding leaves below 1 must not ask for one component too many."""
    for seed in range(40):
        x = torch.from_numpy(np.random.default_rng(seed).normal(size=(7, 5)))
        assert get_measure("svcca[variance=1]").prepare(x).shape == (7, 5)
