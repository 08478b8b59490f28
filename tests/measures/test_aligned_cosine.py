from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes

from repscape.compare import compare
from repscape.errors import UndefinedScoreError


@pytest.mark.parametrize(("n", "d", "width"), [(30, 5, 5), (30, 4, 7), (8, 20, 15)])
@pytest.mark.parametrize("center", [True, False])
def test_is_the_mean_cosine_after_the_best_rotation(
    n: int, d: int, width: int, center: bool
) -> None:
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=(n, d)) + 0.5, rng.normal(size=(n, width)) - 0.5
    got = float(compare(x, y, f"aligned_cosine[center={str(center).lower()}]"))
    if center:
        x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    widest = max(d, width)
    x, y = (np.hstack([z, np.zeros((n, widest - z.shape[1]))]) for z in (x, y))
    rotated = x @ orthogonal_procrustes(x, y)[0]
    norms = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    assert got == pytest.approx(((rotated * y).sum(axis=1) / norms).mean(), rel=1e-8)


def test_a_sample_at_the_mean_has_no_direction() -> None:
    x = np.random.default_rng(0).normal(size=(5, 3))
    x = np.vstack([x, -x, np.zeros((1, 3))]) + 2.0
    with pytest.raises(UndefinedScoreError, match="row 10 equals the mean"):
        compare(x, x, "aligned_cosine")
    x[3] = 0.0
    with pytest.raises(UndefinedScoreError, match="row 3 is zero everywhere"):
        compare(x, x, "aligned_cosine[center=false]")


def test_refuses_a_rotation_that_is_not_unique() -> None:
    """Uncorrelated directions of both sides may be turned onto each other with either sign."""
    q, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(30, 7)) + 1.0)
    q = q[:, 1:] - q[:, 1:].mean(axis=0)
    q, _ = np.linalg.qr(np.hstack([np.ones((30, 1)), q]))
    x, y = q[:, [1, 2]] + q[:, [3]], np.hstack([q[:, [1]] + q[:, [3]], q[:, [4]]])
    with pytest.raises(UndefinedScoreError, match="not unique"):
        compare(x, y, "aligned_cosine")


def test_a_direction_that_is_rounding_decides_nothing() -> None:
    """A layer norm leaves both sides, centred, a direction of the size of float32's rounding."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(200, 6))
    y = x @ rng.normal(size=(6, 6)) + rng.normal(size=(200, 6))
    joined = np.hstack([np.ones((200, 1)), x, y, rng.normal(size=(200, 2))])
    q, _ = np.linalg.qr(joined)
    with_dust = [np.hstack([z, 1e-7 * q[:, [column]]]) for z, column in ((x, -2), (y, -1))]
    got = compare(*with_dust, "aligned_cosine").value
    assert got == pytest.approx(compare(x, y, "aligned_cosine").value, abs=1e-10)
    large = [np.hstack([z, 1e-2 * q[:, [column]]]) for z, column in ((x, -2), (y, -1))]
    with pytest.raises(UndefinedScoreError, match="not unique"):
        compare(*large, "aligned_cosine")
