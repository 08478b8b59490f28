"""Defects of published code that must not come back: neighbours and dissimilarity matrices."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform
from scipy.stats import spearmanr

from repscape.compare import compare
from repscape.compute import ranks


def pair(n: int = 80) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 6)) + 0.3
    return x, x + 0.4 * rng.normal(size=(n, 6))


def lists(x: np.ndarray, k: int) -> np.ndarray:
    gaps = squareform(pdist(x))
    np.fill_diagonal(gaps, np.inf)
    return np.argsort(gaps, axis=1, kind="stable")[:, :k]


def longest_common(a: list[int], b: list[int]) -> int:
    best = np.zeros((len(a) + 1, len(b) + 1), int)
    for i, left in enumerate(a):
        for j, right in enumerate(b):
            longer = max(best[i, j + 1], best[i + 1, j])
            best[i + 1, j + 1] = best[i, j] + 1 if left == right else longer
    return int(best[-1, -1])


def levenshtein(a: list[int], b: list[int]) -> int:
    cost = np.add.outer(np.arange(len(a) + 1), np.arange(len(b) + 1))
    for i, left in enumerate(a):
        for j, right in enumerate(b):
            step = min(cost[i, j + 1], cost[i + 1, j]) + 1
            cost[i + 1, j + 1] = min(step, cost[i, j] + (left != right))
    return int(cost[-1, -1])


def test_lcs_and_edit_distance_lose_no_rows() -> None:
    """Published: rows were shared out to four processes and three quarters of them lost."""
    x, y = pair()
    both = [*zip(lists(x, 10).tolist(), lists(y, 10).tolist(), strict=True)]
    common = [longest_common(a, b) for a, b in both]
    edits = [levenshtein(a, b) for a, b in both]
    assert min(common[20:]) > 0  # every row counts, in each of the quarters
    lcs = compare(x, y, "lcs_knn[k=10,metric=euclidean]").value
    assert lcs == pytest.approx(np.mean(common), rel=1e-12)
    similarity = compare(x, y, "edit_distance_knn[k=10,metric=euclidean]").value
    assert similarity == pytest.approx(1 - np.mean(edits) / 10, rel=1e-12)
    assert compare(x, x, "lcs_knn").value == 10
    assert compare(x, x, "edit_distance_knn").value == 1


def test_rsm_difference_is_no_spectral_norm() -> None:
    """Published: the 2-norm of a square matrix is spectral; a condensed vector was meant."""
    x, y = pair()
    gap = squareform(pdist(x)) - squareform(pdist(y))
    value = compare(x, y, "rsm_difference").value
    assert value == pytest.approx(np.linalg.norm(gap[np.triu_indices(80, 1)]), rel=1e-12)
    assert abs(value - np.linalg.norm(gap, 2)) > 1e-3 * value


@pytest.mark.parametrize("name", ["mutual_knn", "knn_jaccard"])
def test_the_first_column_of_a_search_is_not_taken_for_the_sample_itself(name: str) -> None:
    """Published: the first neighbour found is dropped as "self", which it is not among copies."""
    x, y = pair(40)
    x, y = np.repeat(x, 2, axis=0), np.repeat(y, 2, axis=0)
    near = [lists(side, 5) for side in (x, y)]
    assert not any((table == np.arange(80)[:, None]).any() for table in near)
    common = np.array([len({*a} & {*b}) for a, b in zip(*near, strict=True)])
    wanted = common / 5 if name == "mutual_knn" else common / (10 - common)
    got = compare(x, y, f"{name}[k=5,metric=euclidean]").value
    assert got == pytest.approx(wanted.mean(), rel=1e-12)
    unmasked = [np.argsort(squareform(pdist(side)), axis=1, kind="stable") for side in (x, y)]
    assert (unmasked[0][:, 0] != np.arange(80)).sum() == 40


def test_histogram_ranks_survive_massive_activations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Published: fixed bins over the range of the distances; outliers put all others in one."""
    x, y = pair(400)
    x[:8] *= 1e4
    wanted = spearmanr(pdist(x), pdist(y)).statistic
    monkeypatch.setattr(ranks, "EXACT_RANK_ROWS", 100)
    name = "rsa[rdm=euclidean,compare_by=spearman]"
    assert compare(x, y, name).value == pytest.approx(wanted, abs=1e-4)
    bins = [np.digitize(g, np.linspace(0, g.max(), 10_000)) for g in (pdist(x), pdist(y))]
    assert abs(spearmanr(*bins).statistic - wanted) > 0.01
