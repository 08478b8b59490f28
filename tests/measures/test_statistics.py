from __future__ import annotations

import numpy as np
import pytest

from repscape.compare import compare
from repscape.errors import UndefinedScoreError
from repscape.measures import statistics


def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(40, 5)) + 0.5, 0.7 * rng.normal(size=(40, 8)) - 0.3


def test_magnitude_is_the_norm_of_the_mean() -> None:
    x, y = pair()
    expected = abs(np.linalg.norm(x.mean(axis=0)) - np.linalg.norm(y.mean(axis=0)))
    assert float(compare(x, y, "magnitude_difference")) == pytest.approx(expected, rel=1e-12)
    tripled = 2 * np.linalg.norm(x.mean(axis=0))
    assert float(compare(x, 3 * x, "magnitude_difference")) == pytest.approx(tripled, rel=1e-12)


def test_concentricity_is_the_mean_cosine_with_the_mean() -> None:
    def concentricity(z: np.ndarray) -> float:
        mean = z.mean(axis=0)
        return float((z @ mean / np.linalg.norm(z, axis=1)).mean() / np.linalg.norm(mean))

    x, y = pair()
    expected = abs(concentricity(x) - concentricity(y))
    assert float(compare(x, y, "concentricity_difference")) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_concentricity_needs_directions(dtype: type) -> None:
    x, y = (z.astype(dtype) for z in pair())
    with pytest.raises(UndefinedScoreError, match="mean sample is zero"):
        compare(x - x.mean(axis=0), y, "concentricity_difference")
    x[4] = 0.0
    with pytest.raises(UndefinedScoreError, match="row 4 is zero"):
        compare(x, y, "concentricity_difference")


@pytest.mark.parametrize("tile_rows", [7, 2048])
@pytest.mark.parametrize("diagonal", [True, False])
def test_uniformity(diagonal: bool, tile_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def uniformity(z: np.ndarray) -> float:
        terms = np.exp(-1.5 * ((z[:, None] - z) ** 2).sum(axis=2))
        kept = np.ones((40, 40), bool) if diagonal else ~np.eye(40, dtype=bool)
        return float(np.log(terms[kept].mean()))

    monkeypatch.setattr(statistics, "_TILE_ROWS", tile_rows)
    x, y = (0.5 * z for z in pair())
    expected = abs(uniformity(x) - uniformity(y))
    name = f"uniformity_difference[t=1.5,diagonal={str(diagonal).lower()}]"
    assert float(compare(x, y, name)) == pytest.approx(expected, rel=1e-11)


def test_uniformity_of_duplicates_only() -> None:
    x, y = np.ones((6, 3)), np.zeros((6, 2))
    assert float(compare(x, y, "uniformity_difference")) == pytest.approx(0.0, abs=1e-15)
