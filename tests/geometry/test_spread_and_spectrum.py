"""Linear dimensions, spectra, anisotropy, norms, separability, density: against plain formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import gamma

from repscape.compute.neighbours import neighbours
from repscape.describe import describe
from repscape.geometry.controls import gaussian_twin, shuffled_features
from repscape.geometry.density import log_density
from repscape.geometry.eigenvalue_rules import dimensions_by_rule
from repscape.geometry.principal_axes import principal_axes


@pytest.fixture(params=["tall", "wide"])
def points(request) -> np.ndarray:
    n, d = {"tall": (300, 12), "wide": (30, 90)}[request.param]
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, d)) @ np.diag(np.linspace(0.1, 3, d)) + 4


def eigenvalues(x: np.ndarray) -> np.ndarray:
    singular = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
    return (singular**2 / len(x))[: min(len(x) - 1, x.shape[1])]


def value(x, name: str, **options) -> float:
    return float(describe(x, name, **options).values["value"][0])


def test_linear_dimensions(points):
    e = eigenvalues(points)
    assert value(points, "participation_ratio") == pytest.approx(e.sum() ** 2 / (e**2).sum())
    for of, shares in (("variances", e), ("singular_values", np.sqrt(e))):
        p = shares / shares.sum()
        expected = np.exp(-(p * np.log(p)).sum())
        assert value(points, f"effective_rank[of={of}]") == pytest.approx(expected)
    for share in (0.5, 0.9, 1.0):
        expected = np.searchsorted(np.cumsum(e) / e.sum(), share - 1e-12) + 1
        assert value(points, f"variance_dimension[variance={share}]") == expected


def test_errors_of_linear_dimensions_are_those_of_repetitions():
    rng = np.random.default_rng(1)
    scales = np.linspace(0.3, 2, 6)
    for name in ("participation_ratio", "effective_rank", "anisotropy"):
        rows = [
            describe(rng.normal(size=(400, 6)) * scales + 1, name).values.iloc[0] for _ in range(60)
        ]
        found = np.std([row["value"] for row in rows], ddof=1)
        assert found / np.mean([row["standard_error"] for row in rows]) == pytest.approx(1, abs=0.3)


def test_spectrum_and_power_law(points):
    e = eigenvalues(points)
    curve = describe(points, "eigenspectrum[components=9]").table
    assert curve["value"].to_numpy() == pytest.approx((e / e.sum())[:9])
    assert curve["scale"].to_list() == list(range(1, 10))
    slope = np.polyfit(np.log(np.arange(2, 9)), np.log(e[1:8]), 1)[0]
    assert value(points, "power_law[first=2,last=8]") == pytest.approx(-slope)


def test_a_known_power_law_is_found():
    n = 2000
    left, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(n, 61)) - 0.0)
    left = left - left.mean(axis=0)
    left, _ = np.linalg.qr(left)
    x = left[:, :60] * np.arange(1, 61) ** -0.75
    assert value(x, "power_law[first=5,last=50]") == pytest.approx(1.5, abs=1e-9)


def test_anisotropy_and_norms(points):
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    cosines = unit @ unit.T
    expected = cosines[~np.eye(len(points), dtype=bool)].mean()
    assert value(points, "anisotropy") == pytest.approx(expected)
    norms = describe(points, "norms").table
    lengths = np.linalg.norm(points, axis=1)
    assert norms["value"].to_numpy() == pytest.approx(np.quantile(lengths, norms["scale"]))
    assert norms.loc[norms["chosen"], "value"].item() == pytest.approx(np.median(lengths))


def test_class_separability(points):
    labels = np.arange(len(points)) % 3
    means = np.stack([points[labels == c].mean(axis=0) for c in range(3)])
    within = ((points - means[labels]) ** 2).sum()
    between = ((means[labels] - points.mean(axis=0)) ** 2).sum()
    assert value(points, "class_separability", labels=labels) == pytest.approx(within / between)


def test_density_is_that_of_the_volume():
    x = torch.from_numpy(np.random.default_rng(3).random((4000, 2)))
    table = neighbours(x, 30)
    found = log_density(table, 30, 2.0)
    ball = np.pi / gamma(2)
    expected = np.log(30 / (4000 * ball * table.distances[:, 29].numpy() ** 2))
    assert found.numpy() == pytest.approx(expected)
    inside = ((x - 0.5).abs() < 0.4).all(dim=1)
    assert float(found[inside].mean()) == pytest.approx(0, abs=0.05)  # the density is 1
    assert torch.isfinite(log_density(table, 30, 2000.0)).all()


@pytest.mark.parametrize(
    ("rule", "threshold", "expected"),
    [
        ("fukunaga_olsen", 0.05, 3),
        ("ratio", 0.9, 2),
        ("kaiser", 0.0, 1),
        ("broken_stick", 0.0, 1),
        ("participation_ratio", 0.0, 10.0**2 / (49 + 4 + 0.81 + 0.0064 + 0.0004)),
    ],
)
def test_rules(rule, threshold, expected):
    variances = torch.tensor([[7.0, 2.0, 0.9, 0.08, 0.02]], dtype=torch.float64)
    assert float(dimensions_by_rule(variances, rule, threshold)) == pytest.approx(expected)


def test_controls(points):
    x = torch.from_numpy(points)
    shuffled = shuffled_features(x, 5)
    assert torch.equal(shuffled.sort(dim=0).values, x.sort(dim=0).values)
    assert torch.equal(shuffled, shuffled_features(x, 5))
    assert not torch.equal(shuffled, shuffled_features(x, 6))
    many = torch.from_numpy(np.random.default_rng(4).normal(size=(20000, 5)) @ np.tri(5) + 3)
    twin = gaussian_twin(many, 7)
    assert torch.allclose(twin.mean(dim=0), many.mean(dim=0), atol=0.08)
    assert torch.allclose(torch.cov(twin.T), torch.cov(many.T), atol=0.2)


def test_the_twin_of_wide_data_lies_in_its_span(points):
    twin = gaussian_twin(torch.from_numpy(points), 8)
    assert twin.shape == points.shape
    axes = principal_axes(torch.from_numpy(points))
    directions = axes.directions()
    left = twin - torch.from_numpy(points).mean(dim=0)
    assert torch.allclose(left @ directions @ directions.T, left, atol=1e-8)
