"""Closed forms of the null mean against Monte Carlo, at 3 standard errors.

Every cell of the grid draws its own permutations, by its place in the grid as seed. Of 32 cells at
3 standard errors one is beyond by chance in 8 % of such grids; this one has none. That the standard
errors are right, so that 3 of them mean what they say, is tested on its own: the z of many
independent runs have mean square 1, and the z of the whole grid are normal.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
import torch

from repscape.measures.base import get_measure
from repscape.significance.null import Null, null_of
from repscape.significance.permutations import Permutations

LIMIT = 2**30
R = 1000
MEASURES = [
    "cka",
    "cka[debiased=false]",
    "cka[kernel=rbf,debiased=false]",
    "rsa",
    "rsa[rdm=euclidean,compare_by=cosine]",
    "mutual_knn[k=3]",
    "mutual_knn[k=10,metric=euclidean]",
    "distance_correlation[debiased=false]",
]
SHAPES = [(20, 4), (20, 60), (60, 10), (200, 5)]
GRID = [(name, n, d) for name in MEASURES for n, d in SHAPES]


def null_at(name: str, n: int, d: int, seed: int, count: int) -> Null:
    rng = np.random.default_rng([n, d])
    x = rng.standard_normal((n, d))
    y = x @ rng.standard_normal((d, d)) + rng.standard_t(4, (n, d))
    measure = get_measure(name)
    a, b = (measure.prepare(torch.from_numpy(v)) for v in (x, y))
    return null_of(measure, a, b, Permutations(n, count, seed), LIMIT)


@cache
def z(cell: int) -> float:
    """(Monte Carlo mean - closed form) / standard error of the Monte Carlo mean."""
    null = null_at(*GRID[cell], seed=cell, count=R)
    assert null.expected is not None
    assert null.sd is not None
    return (null.sampled_mean - null.expected) / (null.sd / math.sqrt(R))


@pytest.mark.parametrize("cell", range(len(GRID)), ids=lambda cell: "-".join(map(str, GRID[cell])))
def test_the_closed_form_is_within_three_standard_errors(cell: int) -> None:
    assert abs(z(cell)) < 3.0


def test_the_grid_deviates_as_a_normal_sample_does() -> None:
    found = np.sort([z(cell) for cell in range(len(GRID))])
    normal = np.array([0.5 * (1 + math.erf(value / math.sqrt(2))) for value in found])
    distance = np.abs(normal - (np.arange(len(GRID)) + 0.5) / len(GRID)).max()
    assert distance < 1.63 / math.sqrt(len(GRID))  # Kolmogorov-Smirnov at 1 %


@pytest.mark.parametrize("name", ["cka[debiased=false]", "mutual_knn[k=3]"])
def test_the_standard_error_is_right(name: str) -> None:
    """Mean square 1 over 300 independent runs of 100; too small an error would give more."""
    null = null_at(name, 20, 4, seed=0, count=30_000)
    runs = null.scores.reshape(300, 100)
    found = (runs.mean(axis=1) - null.expected) / (runs.std(axis=1, ddof=1) / 10.0)
    assert abs(float((found**2).mean()) - 1.0) < 3.3 * math.sqrt(2 / 300)
    assert (np.abs(found) > 3.0).mean() < 0.02
