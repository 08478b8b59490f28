"""Procrustes distances against scipy and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from closed_forms import closed_form, embed
from scipy.linalg import orthogonal_procrustes
from scipy.spatial import procrustes
from scipy.stats import special_ortho_group

from repscape.compare import compare
from repscape.errors import UndefinedScoreError


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 6)) + 2
    return x, x @ rng.normal(size=(6, 6)) + rng.normal(size=(40, 6))


@pytest.mark.parametrize("center", [True, False])
def test_the_best_rotation_of_scipy(pair, center):
    x, y = ((v - v.mean(0)) if center else v for v in pair)
    x, y = x / np.linalg.norm(x), y / np.linalg.norm(y)
    rotation, total = orthogonal_procrustes(x, y)
    name = f"procrustes[center={str(center).lower()},score="
    distance = compare(*pair, name + "distance]").value
    assert distance == pytest.approx(np.linalg.norm(x @ rotation - y), rel=1e-12)
    assert compare(*pair, name + "similarity]").value == pytest.approx(total, rel=1e-12)
    assert compare(*pair, name + "angle]").value == pytest.approx(math.acos(total), rel=1e-10)


def test_scipys_disparity_is_one_minus_the_squared_similarity(pair):
    disparity = procrustes(*pair)[2]
    assert compare(*pair, "nbs").value == pytest.approx(math.sqrt(1 - disparity), rel=1e-12)


@pytest.mark.parametrize("widths", [(3, 3), (9, 5), (80, 4), (60, 90)])
def test_the_closed_form_in_any_widths(widths):
    form = closed_form()
    x, y = embed(form.x, widths[0], 1), embed(form.y, widths[1], 2)
    assert compare(x, y, "procrustes").value == pytest.approx(0.797155, abs=1e-6)
    assert compare(x, y, "procrustes[score=angle]").value == pytest.approx(0.819930, abs=1e-6)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_rotated_copy_is_at_distance_zero(pair, dtype):
    """Not 5e-4, which the difference of nearly equal numbers leaves in float32."""
    rotation = special_ortho_group.rvs(6, random_state=0)
    x, y = pair[0].astype(dtype), (3 * pair[0] @ rotation - 7).astype(dtype)
    allowed = 1e-13 if dtype == np.float64 else 1e-6
    assert compare(x, y, "procrustes").value <= allowed
    assert compare(x, y, "procrustes[score=angle]").value <= allowed
    assert compare(x, x, "procrustes").value <= allowed


def test_small_distances_keep_their_digits(pair):
    x = pair[0] - pair[0].mean(0)
    for size in (1e-3, 1e-6, 1e-9):
        stretched = x * np.array([1 + size, 1, 1, 1, 1, 1])
        a, b = x / np.linalg.norm(x), stretched / np.linalg.norm(stretched)
        rotation, _ = orthogonal_procrustes(a, b)
        wanted = np.linalg.norm(a @ rotation - b)
        assert compare(x, stretched, "procrustes").value == pytest.approx(
            wanted, rel=1e-6, abs=1e-14
        )


def test_zeros_cannot_be_scaled(pair):
    with pytest.raises(UndefinedScoreError):
        compare(np.zeros((40, 3)), pair[1], "procrustes[center=false]")
