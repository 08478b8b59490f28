"""Under the null a test at 5 % rejects 5 %, whatever n, d, the distribution and the layers."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from repscape.measures.base import get_measure
from repscape.significance.layers import compare_layers
from repscape.significance.null import null_of, p_value
from repscape.significance.permutations import Permutations

K = 19
"""(1 + exceedances) / 20 ≤ 0.05 has probability 5 % exactly, but for ties."""
REPEATS = 200
LIMIT = 2**30
BOUND = 3.3 * math.sqrt(0.05 * 0.95 / REPEATS)
"""Two-sided binomial error at 1 in 1000: there are 36 cells."""

MEASURES = ["cka", "rsa", "mutual_knn[k=3]", "procrustes"]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads cost more than they save where thousands of small matrices are compared."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def draw(kind: str, rng: np.random.Generator, n: int, d: int) -> torch.Tensor:
    if kind == "normal":
        return torch.from_numpy(rng.standard_normal((n, d)))
    if kind == "heavy":
        return torch.from_numpy(rng.standard_t(2.5, (n, d)))
    # Few directions of very different size, far from the origin: as activations are.
    mixing = rng.standard_normal((3, d)) * np.array([[10.0], [1.0], [0.1]])
    return torch.from_numpy(30.0 + rng.exponential(size=(n, 3)) @ mixing)


def p_values(
    name: str, kind: str, n: int, d: int, effect: float = 0.0, repeats: int = REPEATS
) -> np.ndarray:
    measure = get_measure(name)
    rng = np.random.default_rng([n, d, len(kind)])
    found = []
    for seed in range(repeats):
        x = draw(kind, rng, n, d)
        y = effect * x + draw(kind, rng, n, d)
        orders = Permutations(n, K, seed)
        null = null_of(measure, measure.prepare(x), measure.prepare(y), orders, LIMIT)
        ties = np.random.default_rng(seed)
        found.append((null.p_value, p_value(null.observed, null.scores, null.kind, ties)))
    return np.array(found)


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize(
    ("kind", "n", "d"),
    [("normal", 16, 5), ("normal", 16, 40), ("normal", 60, 8), ("heavy", 30, 6), ("low", 30, 10)],
)
def test_type_one_error_is_five_percent(name: str, kind: str, n: int, d: int) -> None:
    found = p_values(name, kind, n, d)
    plain, randomised = found.T
    for level in (0.05, 0.2, 0.5):
        slack = 3.3 * math.sqrt(level * (1 - level) / REPEATS)
        assert (plain <= level + 1e-12).mean() <= level + slack
    assert abs((randomised <= 0.05).mean() - 0.05) <= BOUND
    ordered = np.sort(randomised)
    distance = np.abs(ordered - (np.arange(REPEATS) + 0.5) / REPEATS).max()
    assert distance < 1.95 / math.sqrt(REPEATS)  # Kolmogorov-Smirnov at 1 in 1000


@pytest.mark.parametrize("name", MEASURES)
def test_power_grows_with_the_planted_similarity(name: str) -> None:
    power = [
        (p_values(name, "normal", 24, 5, effect, repeats=100)[:, 0] <= 0.05).mean()
        for effect in (0.0, 0.3, 2.0)
    ]
    assert power[0] < 0.13
    assert power[0] + 0.05 < power[1] <= power[2]
    assert power[2] > 0.95


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("layers", [2, 4])
def test_only_the_null_of_the_best_is_honest_about_the_best_layer(name: str, layers: int) -> None:
    repeats = 100
    rng = np.random.default_rng(0)
    size = (layers, 24, 4)
    honest, naive = 0, 0
    for seed in range(repeats):
        models = [
            [base @ rng.standard_normal((6, 4)) + noise for noise in rng.standard_normal(size)]
            for base in rng.standard_normal((2, 24, 6))
        ]
        found = compare_layers(*models, name, n_permutations=K, seed=seed)
        honest += found.best.p_value <= 0.05
        naive += found.table["p_value"].min() <= 0.05
        assert (found.table["p_max"] >= found.table["p_value"]).all()
    slack = 3.3 * math.sqrt(0.05 * 0.95 / repeats)
    assert honest / repeats <= 0.05 + slack
    if layers == 4:
        assert naive / repeats > 0.05 + slack
