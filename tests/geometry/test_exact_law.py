"""The law of the ratios is known exactly, without any geometry: μ^−d ~ Beta(n₁, n₂ − n₁)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from repscape.geometry.gride import fit_gride
from repscape.geometry.twonn import fit_twonn

PAIRS = [(1, 2), (2, 4), (8, 16), (32, 64), (5, 17)]
DIMENSIONS = [2.0, 7.5, 30.0, 150.0]
COUNT = 4000


def log_ratios(d: float, n1: int, n2: int, seed: int) -> torch.Tensor:
    rng = np.random.default_rng([seed, n1, n2, int(d * 10)])
    return torch.from_numpy(-np.log(rng.beta(n1, n2 - n1, size=COUNT)) / d)


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("d", DIMENSIONS)
def test_gride_finds_the_dimension(d, pair):
    logs = log_ratios(d, *pair, seed=0)[:, None]
    fit = fit_gride(logs, torch.tensor([pair[0]]), torch.tensor([pair[1]]))
    assert abs(float(fit.dimensions) - d) < 4 * float(fit.independent_errors)


def test_all_scales_at_once_equal_one_by_one():
    logs = torch.stack([log_ratios(9.0, *pair, seed=1) for pair in PAIRS], dim=1)
    n1, n2 = (torch.tensor(ranks) for ranks in zip(*PAIRS, strict=True))
    together = fit_gride(logs, n1, n2)
    for s in range(len(PAIRS)):
        alone = fit_gride(logs[:, s : s + 1], n1[s : s + 1], n2[s : s + 1])
        assert float(alone.dimensions) == pytest.approx(float(together.dimensions[s]), rel=1e-13)


@pytest.mark.parametrize("d", [1e-4, 5e4])
def test_there_is_no_cap(d):
    logs = torch.stack([log_ratios(d, *pair, seed=2) for pair in PAIRS], dim=1)
    n1, n2 = (torch.tensor(ranks) for ranks in zip(*PAIRS, strict=True))
    fit = fit_gride(logs, n1, n2)
    assert ((fit.dimensions - d).abs() < 4 * fit.independent_errors).all()


@pytest.mark.parametrize("method", ["linear", "mle", "censored"])
@pytest.mark.parametrize("d", DIMENSIONS)
def test_twonn_finds_the_dimension(d, method):
    fit = fit_twonn(log_ratios(d, 1, 2, seed=3), method, 0.9)
    assert abs(fit.dimension - d) < 4 * fit.independent_error


@pytest.mark.parametrize("method", ["linear", "mle", "censored"])
def test_reported_errors_are_those_of_repetitions(method):
    rng = np.random.default_rng(4)
    logs = rng.exponential(1 / 6, size=(400, 500))
    fits = [fit_twonn(torch.from_numpy(row), method, 0.9) for row in logs]
    found = np.std([fit.dimension for fit in fits], ddof=1)
    stated = np.mean([fit.independent_error for fit in fits])
    assert found / stated == pytest.approx(1, abs=0.12)


def test_contamination_hurts_the_full_likelihood_and_not_the_censored():
    logs = log_ratios(10.0, 1, 2, seed=5)
    logs[:80] = torch.linspace(3, 5, 80)
    assert fit_twonn(logs, "mle").dimension < 7
    assert fit_twonn(logs, "censored", 0.9).dimension == pytest.approx(9.5, abs=0.6)
    assert fit_twonn(logs, "linear", 0.9).dimension == pytest.approx(9.5, abs=0.6)


def test_gride_at_the_first_scale_is_the_likelihood_of_twonn():
    logs = log_ratios(4.0, 1, 2, seed=6)
    gride = fit_gride(logs[:, None], torch.tensor([1]), torch.tensor([2]))
    assert float(gride.dimensions) == pytest.approx(fit_twonn(logs, "mle").dimension, rel=1e-12)
