"""p-values of approximated nulls are those of singular values, whatever a score is compared with.

Procrustes and CCA take permuted scores from squares of singular values, which loses digits of
small ones. The data here are such that this changes comparisons: in one order that the null draws,
the two sides share one direction, and all others by 1e-8 only; and another pair's observed score
is that very score, or nearly.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

import repscape
from repscape.measures.base import get_measure
from repscape.representation import Origin, Representation
from repscape.significance.null import null_of
from repscape.significance.permutations import Permutations
from repscape.significance.prepared import prepare_state

N, D, R, ORDER = 30, 8, 19, 3
Values = npt.NDArray[np.float64]
MEASURES = ["procrustes", "nbs", "size_and_shape", "angular_shape", "cca"]


def shares_one_direction(rng: np.random.Generator) -> tuple[Values, Values]:
    """Two sides whose cross-product has rank one, but for 1e-8, and has no zeros."""
    x, y = (rng.standard_normal((N, D)) for _ in range(2))
    x -= x.mean(axis=0)
    y -= y.mean(axis=0)
    y -= x @ np.linalg.lstsq(x, y)[0]
    mixed = np.outer(rng.standard_normal(D), rng.standard_normal(D))
    mixed += 1e-8 * rng.standard_normal((D, D))
    return x, x @ mixed + y


def orders(seed: int) -> npt.NDArray[np.int64]:
    return Permutations(N, R, seed).orders.numpy()


def each_by_compare(x: Values, y: Values, measure: str, seed: int) -> Values:
    """The reference: the score, and every permuted one by itself."""
    chosen = get_measure(measure)
    a, b = (chosen.prepare(torch.from_numpy(v)) for v in (x, y))
    states = [b, *(chosen.permute(b, torch.from_numpy(order)) for order in orders(seed))]
    return np.array([chosen.compare(a, state) for state in states])


def brute_force(x: Values, layers: dict[str, Values], measure: str, seed: int) -> Values:
    """p_max of every layer: ranks of observed scores among the best of each permutation."""
    sign = 1.0 if get_measure(measure).declared.kind == "similarity" else -1.0
    scores = sign * np.stack([each_by_compare(x, y, measure, seed) for y in layers.values()])
    observed, null = scores[:, 0], scores[:, 1:]
    best = null.max(axis=0)
    reached = best >= observed[:, None] - 1e-11 * np.abs(best).max()
    return (1 + reached.sum(axis=1)) / (1 + R)


def rivals(rng: np.random.Generator, seed: int) -> tuple[Values, dict[str, Values]]:
    """One layer against three; the first comes to be the second, and nearly the third."""
    x, shared = shares_one_direction(rng)
    moved = shared[np.argsort(orders(seed)[ORDER])]
    return x, {"b0": moved, "b1": shared, "b2": shared * (1 + 1e-9 * rng.standard_normal(D))}


@pytest.mark.parametrize("measure", MEASURES)
def test_p_of_the_best_is_that_of_singular_values(measure: str) -> None:
    rng = np.random.default_rng(0)
    for seed in range(5):
        x, layers = rivals(rng, seed)
        wanted = brute_force(x, layers, measure, seed).tolist()
        found = repscape.compare_layers(
            {"a": x}, layers, measure, n_permutations=R, seed=seed
        ).table
        assert found["p_max"].tolist() == wanted
        limited = repscape.compare_layers(
            {"a": x}, layers, measure, n_permutations=R, seed=seed, memory_limit="12KiB"
        ).table
        assert limited["p_max"].tolist() == wanted
        reps = [Representation(x, origin=Origin(model="m", layer="a"))]
        reps += [
            Representation(y, origin=Origin(model="other", layer=name))
            for name, y in layers.items()
        ]
        table = repscape.similarity_matrix(
            reps, measure, null="permutation", n_permutations=R, seed=seed
        ).table
        assert table["p_max"].dropna().tolist() == wanted


def test_the_data_show_it() -> None:
    """Compared with the pair's own score only, the permuted one is taken for less than it is."""
    rng = np.random.default_rng(0)
    measure = get_measure("nbs")
    less = 0
    for seed in range(8):
        x, layers = rivals(rng, seed)
        a, b = (prepare_state(measure, torch.from_numpy(v)) for v in (x, layers["b0"]))
        permutations = Permutations(N, R, seed)
        approximate, exact = (
            null_of(measure, a, b, permutations, 2**30, exact).scores for exact in (False, True)
        )
        observed = float(repscape.compare(x, layers["b1"], "nbs"))
        assert exact[ORDER] == pytest.approx(observed, rel=1e-14)
        less += approximate[ORDER] < observed * (1 - 1e-11)
    assert less > 0


@pytest.mark.parametrize("measure", MEASURES)
def test_a_competitor_that_is_the_same_is_not_closer(measure: str) -> None:
    """C is B after a rotation: every difference is rounding, however the scores are formed."""
    rng = np.random.default_rng(1)
    for seed in range(3):
        a, layers = rivals(rng, seed)
        b = layers["b0"]
        rotation = np.linalg.qr(rng.standard_normal((D, D)))[0]
        found = repscape.closer(a, b, b @ rotation, measure, n_permutations=R, seed=seed)
        assert (found.p_value, found.p_chance) == (1.0, 1.0)


def test_rounding_of_kernels_is_not_closeness() -> None:
    rng = np.random.default_rng(2)
    for seed in range(6):
        a, b = (rng.standard_normal((N, D)) for _ in range(2))
        rotation = np.linalg.qr(rng.standard_normal((D, D)))[0]
        found = repscape.closer(a, b, b @ rotation, "cka", n_permutations=R, seed=seed)
        assert (found.p_value, found.p_chance) == (1.0, 1.0)
