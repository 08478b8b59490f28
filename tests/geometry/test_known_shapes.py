"""Point sets of known dimension, through the whole path from points to estimates."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from shapes import embedded, manifold, mixture, periodic_table

from repscape.describe import describe
from repscape.geometry.base import get_descriptor
from repscape.geometry.sample import GeometryWarning, prepare_sample, sample_of_table

SCALES = [2, 4, 8, 16, 32, 64]


def test_periodic_cube_at_every_scale():
    sample = sample_of_table(periodic_table(2000, 5, 64, seed=0))
    readings = get_descriptor("gride[metric=precomputed,outliers=keep]").describe(sample).readings
    assert [r.scale for r in readings] == SCALES
    for reading in readings:
        assert abs(reading.value - 5) < 4 * 1.4 * reading.independent_error


@pytest.mark.slow
@pytest.mark.parametrize("d", [2, 5])
def test_standard_errors_cover_the_truth_on_the_periodic_cube(d):
    """Of 60 point sets, the truth is within two errors in at least 87 %, at every scale.

    The errors for independent samples cover less where neighbourhoods are shared.
    """
    gride = get_descriptor("gride[largest=32,metric=precomputed,outliers=keep]")
    twonn = get_descriptor("twonn[metric=precomputed,method=mle]")
    hits, plain_hits, ratios = [], [], []
    for seed in range(60):
        sample = sample_of_table(periodic_table(800, d, 32, seed))
        readings = gride.describe(sample).readings + twonn.describe(sample).readings
        gaps = np.array([abs(r.value - d) for r in readings])
        hits.append(gaps < 2 * np.array([r.standard_error for r in readings]))
        plain_hits.append(gaps < 2 * np.array([r.independent_error for r in readings]))
        ratios.append([(r.value, r.standard_error) for r in readings])
    values, errors = np.moveaxis(np.array(ratios), 2, 0)
    assert np.mean(hits, axis=0).min() >= 0.87
    assert np.mean(hits) > np.mean(plain_hits)
    spread = values.std(axis=0, ddof=1) / errors.mean(axis=0)
    assert (spread > 0.6).all()
    assert (spread < 1.2).all()


BANDS = [
    ("cube2", 1.88, 2.18),
    ("cube5", 4.2, 5.2),
    ("cube10", 8.0, 9.3),
    ("cube20", 14.8, 16.6),
    ("gauss2", 1.87, 2.11),
    ("gauss5", 4.85, 5.47),
    ("gauss10", 9.23, 10.41),
    ("gauss20", 16.0, 18.5),
    ("sphere2", 1.78, 2.08),
    ("sphere5", 4.58, 5.38),
    ("sphere10", 8.71, 10.23),
    ("swiss_roll", 1.9, 2.14),
    ("moebius", 1.79, 2.09),
    ("helix", 0.93, 1.09),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "low", "high"), BANDS)
def test_manifolds_lie_in_their_bands(name, low, high):
    for seed in range(3):
        x = embedded(manifold(name, 5000, seed), 24, seed)
        assert low < describe(x, "twonn").values["value"][0] < high


@pytest.mark.parametrize(
    ("name", "at_4", "at_16", "at_64"),
    [("cube5", 4.71, 4.54, 4.39), ("gauss10", 9.70, 9.36, 8.84)],
)
def test_larger_scales_see_the_boundary(name, at_4, at_16, at_64):
    """Gride at n₁ = 2, 8 and 32, against values known for 5,000 points, within 5 %."""
    sample = prepare_sample(manifold(name, 5000, 0))
    readings = get_descriptor("gride").describe(sample).readings
    at = {int(r.scale): r.value for r in readings}
    assert at[4] == pytest.approx(at_4, rel=0.05)
    assert at[16] == pytest.approx(at_16, rel=0.05)
    assert at[64] == pytest.approx(at_64, rel=0.05)


def test_lattices_are_no_random_points():
    """A low-discrepancy sequence in three dimensions: the estimate is far off, as it must be."""
    g = 1.22074408460575947536
    x = (0.5 + np.arange(1, 1001)[:, None] / g ** np.arange(1, 4)) % 1
    assert describe(x, "twonn").values["value"][0] > 6


PLANE = [
    ("mle[k=20]", 1.96, 0.06),
    ("mle[k=40]", 1.94, 0.05),
    # 2.25 and 2.12 without a boundary, by the estimator's own law (see below).
    ("method_of_moments[k=20]", 2.19, 0.06),
    ("method_of_moments[k=40]", 2.055, 0.05),
    ("local_pca[k=20]", 2.0, 1e-12),
    ("local_pca[k=40]", 2.0, 1e-12),
    ("correlation_integral[k2=20]", 1.95, 0.09),
    ("correlation_integral[k2=40]", 1.95, 0.06),
]


@pytest.mark.parametrize(("name", "expected", "band"), PLANE)
def test_other_estimators_find_a_plane(name, expected, band):
    """A square in twelve dimensions; the boundary takes 2 to 3 % off."""
    x = embedded(manifold("cube2", 2000, 1), 12, 1)
    assert describe(x, name).values["value"][0] == pytest.approx(expected, abs=band)


@pytest.mark.parametrize("k", [20, 40])
@pytest.mark.parametrize("d", [2, 5])
@pytest.mark.parametrize("name", ["mle", "method_of_moments"])
def test_averages_over_samples_follow_their_law(name, d, k):
    """Without a boundary (r_j/r_k)^d, j < k, are k − 1 uniform numbers, whatever the points.

    So maximum likelihood finds d, and the method of moments more: r_k counts among its own k
    distances, which alone makes d + (d + 1)/(k − 1) of d.
    """
    u = np.random.default_rng([d, k]).random((200_000, k - 1)) ** (1 / d)
    if name == "mle":
        expected = 1 / np.mean(-np.log(u).sum(axis=1) / (k - 1))
        assert expected == pytest.approx(d, rel=2e-3)
    else:
        mean = (u.sum(axis=1) + 1) / k
        expected = np.mean(mean / (1 - mean))
        assert expected > d + (d + 1) / (k - 1)
    sample = sample_of_table(periodic_table(1500, d, k, seed=0))
    reading = get_descriptor(f"{name}[k={k},metric=precomputed]").describe(sample).reading
    assert abs(reading.value - expected) < 4 * reading.standard_error


OFFSETS = {
    "plain": lambda x: x,
    "+10": lambda x: x + np.float32(10),
    "+100": lambda x: x + np.float32(100),
    "massive": lambda x: np.hstack([x, np.broadcast_to(np.float32([2000.0, -800.0]), (len(x), 2))]),
    "tiny": lambda x: np.float32(1e-3) * x + np.float32(1),
}


@pytest.mark.parametrize("change", OFFSETS)
def test_offsets_and_massive_features_do_not_matter(change):
    """Float32 distances by products fail here by up to a factor of two (spec of the tables)."""
    x = mixture(1500, 128, 0)
    moved = OFFSETS[change](x).astype(np.float32)
    exact = moved.astype(np.float64)
    if change == "massive":
        exact = exact[:, :-2]
    found, right = (describe(v, "twonn").values["value"][0] for v in (moved, exact))
    assert found == pytest.approx(right, rel=1e-12)
    assert found == pytest.approx(describe(x, "twonn").values["value"][0], rel=2e-3)


@pytest.mark.parametrize("share", ["10% in pairs", "30% in pairs", "20% one value"])
def test_duplicates_do_not_matter(share):
    clean = embedded(manifold("gauss8", 1000, 3), 30, 3).astype(np.float32)
    copies = {"10% in pairs": clean[:50], "30% in pairs": clean[:150]}.get(
        share, np.repeat(clean[:1], 200, axis=0)
    )
    order = np.random.default_rng(4).permutation(len(clean) + len(copies))
    mixed = np.vstack([clean, copies])[order]
    names = ["twonn", "twonn[method=mle]", "gride", "mle", "correlation_integral"]
    expected = describe(clean, names).values
    found = describe(mixed, names).values
    assert found["value"].to_numpy() == pytest.approx(expected["value"].to_numpy(), rel=1e-12)
    assert (found["dropped"] == len(copies)).all()


def test_kept_duplicates_are_left_out_of_the_fit_and_noted():
    x = manifold("gauss8", 600, 5)
    x[:60] = x[60:120]
    with pytest.warns(GeometryWarning, match="equal distances"):
        kept = describe(x, "twonn", duplicates="keep")
    clean = describe(x, "twonn")
    assert kept.values["value"][0] == pytest.approx(clean.values["value"][0], rel=0.2)
    assert "120 samples at distance 0" in kept.values["notes"][0]
    assert int(kept.values["samples"][0]) == 480


def test_half_precision_is_harmless():
    x = torch.from_numpy(manifold("gauss8", 1500, 6)).to(torch.float16)
    exact = describe(x.double(), "twonn").values["value"][0]
    assert describe(x, "twonn").values["value"][0] == pytest.approx(exact, rel=1e-12)
