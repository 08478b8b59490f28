"""Kendall's tau equals scipy's, ties included."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau

from repscape.compute.compiled_orders import count_discordant
from repscape.compute.kendall import PairOrder, kendall
from repscape.errors import UndefinedScoreError


def matrix(values: np.ndarray, n: int) -> torch.Tensor:
    whole = np.zeros((n, n))
    whole[np.triu_indices(n, 1)] = values
    return torch.from_numpy(whole + whole.T)


def pair_order(values: np.ndarray, n: int) -> PairOrder:
    whole = matrix(values, n)
    return PairOrder.of(lambda i, j: whole[i, j], n)


@pytest.mark.parametrize("levels", [None, 50, 3, 2])
def test_tau_b_and_tau_a(levels):
    rng = np.random.default_rng(0)
    n = 25
    a, b = rng.random((2, n * (n - 1) // 2))
    b = 0.5 * a + b
    if levels:
        a, b = np.floor(levels * a), np.floor(levels * b)
    left, right = pair_order(a, n), pair_order(b, n)
    wanted = kendalltau(a, b).statistic
    assert kendall(left, right, correct_ties=True) == pytest.approx(wanted, abs=1e-12)
    assert kendall(right, left, correct_ties=True) == pytest.approx(wanted, abs=1e-12)
    signs = np.sign(a[:, None] - a) * np.sign(b[:, None] - b)
    tau_a = signs[np.triu_indices(len(a), 1)].mean()
    assert kendall(left, right, correct_ties=False) == pytest.approx(tau_a, abs=1e-12)


def test_all_equal_distances_are_refused():
    rng = np.random.default_rng(0)
    flat, other = pair_order(np.ones(45), 10), pair_order(rng.random(45), 10)
    for pair in ((flat, other), (other, flat)):
        with pytest.raises(UndefinedScoreError, match="all 45 dissimilarities"):
            kendall(*pair, correct_ties=False)


def test_extremes():
    values = np.random.default_rng(0).random(45)
    up, down = pair_order(values, 10), pair_order(-values, 10)
    assert kendall(up, up, correct_ties=True) == pytest.approx(1.0, abs=1e-15)
    assert kendall(up, down, correct_ties=True) == pytest.approx(-1.0, abs=1e-15)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 64, 100])
def test_discordant_pairs_by_brute_force(count):
    rng = np.random.default_rng(count)
    first = np.sort(rng.integers(0, 9, count)).astype(np.int32)
    second = rng.integers(0, 9, count).astype(np.int32)
    discordant = sum(
        first[i] < first[j] and second[i] > second[j] for i in range(count) for j in range(i, count)
    )
    tied = sum(
        first[i] == first[j] and second[i] == second[j]
        for i in range(count)
        for j in range(i + 1, count)
    )
    assert count_discordant(first, second.copy()) == (discordant, tied)
