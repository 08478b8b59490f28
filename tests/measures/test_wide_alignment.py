"""With fewer samples than features the thin factors give what the features themselves give."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import svd

from repscape.compare import compare
from repscape.measures.base import get_measure

N, WIDTHS = 60, (210, 260)


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(N, 5))
    x, y = (
        shared @ rng.normal(size=(5, d)) + rng.normal(size=(N, d)) + rng.normal() for d in WIDTHS
    )
    return x, y


def direct(x: np.ndarray, y: np.ndarray, center: bool) -> tuple[float, float]:
    """Distance and mean cosine by the decomposition of the padded d × d product."""
    if center:
        x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    x = np.pad(x / np.linalg.norm(x), ((0, 0), (0, WIDTHS[1] - WIDTHS[0])))
    y = y / np.linalg.norm(y)
    u, _, vt = svd(x.T @ y)
    rotated = x @ u @ vt
    lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    return float(np.linalg.norm(rotated - y)), float(((rotated * y).sum(axis=1) / lengths).mean())


@pytest.mark.parametrize("center", [True, False])
def test_the_factors_equal_the_features(pair, center: bool) -> None:
    distance, cosine = direct(*pair, center)
    option = f"center={str(center).lower()}"
    assert compare(*pair, f"procrustes[{option}]").value == pytest.approx(distance, rel=1e-12)
    assert compare(*pair, f"aligned_cosine[{option}]").value == pytest.approx(cosine, rel=1e-12)


@pytest.mark.parametrize("name", ["procrustes", "aligned_cosine"])
def test_what_is_done_per_pair_does_not_grow_with_the_features(pair, name: str) -> None:
    import torch

    for x in pair:
        assert get_measure(name).prepare(torch.from_numpy(x)).shape == (N, N)
