from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr, t

from repscape.analysis.matrices import ScoreMatrix, square_matrix
from repscape.analysis.model_resampling import (
    Consistency,
    groups_differ,
    mantel,
    mean_score,
    model_bootstrap,
)
from repscape.errors import InvalidParameterError, TooFewSamplesError, UndefinedScoreError
from score_tables import models_table


def population(
    rng: np.random.Generator, models: int, shared: float, pair_noise: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """Scores a_i + a_j + noise of two data sets; corr(a, a') = `shared` over models."""
    first = rng.standard_normal(models)
    second = shared * first + np.sqrt(1 - shared**2) * rng.standard_normal(models)
    found = []
    for effect in (first, second):
        noise = pair_noise * rng.standard_normal((models, models))
        found.append(effect[:, None] + effect[None, :] + (noise + noise.T) / np.sqrt(2))
    return found[0], found[1]


def truth(shared: float, pair_noise: float = 0.5) -> float:
    """The correlation over pairs in the population."""
    return 2 * shared / (2 + pair_noise**2)


def naive_interval(r: float, pairs: int) -> tuple[float, float]:
    """Fisher's interval, as if pairs were independent."""
    reach = 1.96 / np.sqrt(pairs - 3)
    return np.tanh(np.arctanh(r) - reach), np.tanh(np.arctanh(r) + reach)


def test_coverage_beats_the_naive_interval_over_pairs() -> None:
    rng = np.random.default_rng(0)
    repeats, models, shared = 120, 20, 0.5
    ours = naive = 0
    for seed in range(repeats):
        matrices = population(rng, models, shared)
        found = model_bootstrap(matrices, Consistency(), resamples=150, seed=seed)
        ours += found.low <= truth(shared) <= found.high
        low, high = naive_interval(found.value, models * (models - 1) // 2)
        naive += low <= truth(shared) <= high
    assert ours / repeats > 0.9
    assert naive / repeats < 0.65


def test_coverage_of_a_mean_over_pairs() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for seed in range(120):
        scores, _ = population(rng, 16, 0.0)
        found = model_bootstrap([scores], mean_score, resamples=150, seed=seed)
        covered += found.low <= 0.0 <= found.high
    assert 0.88 <= covered / 120 <= 1.0


def test_resampling_data_sets_widens_the_interval() -> None:
    rng = np.random.default_rng(2)
    base, _ = population(rng, 12, 0.0, 0.1)
    sets = [base + shift for shift in (-3.0, -1.0, 0.0, 2.0, 4.0)]
    fixed = model_bootstrap(sets, resamples=200)
    random = model_bootstrap(sets, data_sets=True, resamples=200)
    assert random.value == fixed.value
    assert random.standard_error > 1.3 * fixed.standard_error
    with pytest.raises(TooFewSamplesError, match="one data set"):
        model_bootstrap([base], data_sets=True)


def test_pairs_of_a_model_with_its_copy_are_dropped() -> None:
    """With the diagonal at 1000 a self-pair that slipped in would be seen."""
    scores = np.zeros((8, 8))
    np.fill_diagonal(scores, 1000.0)
    found = model_bootstrap([scores], resamples=100)
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)


def defined(
    matrices: list[np.ndarray], statistic: str, seed: int, data_sets: bool = False
) -> tuple[float, float]:
    """The interval as its definition reads: every resample's pairs written out one by one."""
    rng, models = np.random.default_rng(seed), len(matrices[0])
    found = []
    for _ in range(200):
        drawn = rng.integers(0, models, models)
        sets = rng.integers(0, len(matrices), len(matrices)) if data_sets else range(len(matrices))
        pairs = [(i, j) for s, i in enumerate(drawn) for j in drawn[s + 1 :] if i != j]
        pairs = [(i, j) for i, j in pairs if not any(np.isnan(m[i, j]) for m in matrices)]
        lists = [[matrices[k][i, j] for i, j in pairs] for k in sets]
        distinct = [len(set(scores)) for scores in lists]
        if len(pairs) < 3 or (statistic == "r" and (min(distinct) < 2 or max(distinct) < 3)):
            continue  # equal scores agree with nothing, two different ones perfectly
        found.append(np.corrcoef(*lists)[0, 1] if statistic == "r" else np.mean(lists))
    above = np.triu(np.logical_and.reduce([~np.isnan(m) for m in matrices]), 1)
    centre = np.mean([m[above] for m in matrices])
    values = np.array(found)
    if statistic == "r":
        centre = np.arctanh(np.corrcoef(*(m[above] for m in matrices))[0, 1])
        values = np.arctanh(values)
    units = min(models, len(matrices)) if data_sets else models
    reach = t.ppf(0.975, units - 1) * values.std(ddof=1) * np.sqrt(units / (units - 1))
    ends = centre - reach, centre + reach
    return tuple(np.tanh(ends)) if statistic == "r" else ends


@pytest.mark.parametrize("missing", [False, True])
def test_the_interval_is_that_of_the_definition(missing: bool) -> None:
    first, second = population(np.random.default_rng(7), 7, 0.6)
    third = population(np.random.default_rng(8), 7, 0.6)[0]
    if missing:
        second[1, 4] = second[4, 1] = np.nan
    two, three = [first, second], [first, second, third]
    found = model_bootstrap(two, Consistency(), resamples=200, seed=1)
    assert (found.low, found.high) == pytest.approx(defined(two, "r", 1))
    found = model_bootstrap(three, resamples=200, seed=2)
    assert (found.low, found.high) == pytest.approx(defined(three, "mean", 2))
    found = model_bootstrap(three, data_sets=True, resamples=200, seed=3)
    assert (found.low, found.high) == pytest.approx(defined(three, "mean", 3, data_sets=True))


def test_resamples_of_few_different_scores_say_nothing_of_a_correlation() -> None:
    """Five times 0.11 have another mean than 0.11, and r = 1 - 1e-16 is 18 on Fisher's scale."""
    first, second = (np.round(m, 1) for m in population(np.random.default_rng(9), 4, 0.5))
    for i, j in ((0, 1), (0, 2), (1, 2)):
        first[i, j] = first[j, i] = 0.11
    second[2, 3] = second[3, 2] = np.nan
    for seed in range(3):
        found = model_bootstrap([first, second], Consistency(), resamples=200, seed=seed)
        assert (found.low, found.high) == pytest.approx(defined([first, second], "r", seed))
        assert found.resamples < 120


def test_missing_pairs_are_left_out() -> None:
    rng = np.random.default_rng(3)
    first, second = population(rng, 10, 0.8)
    first[2, 5] = first[5, 2] = np.nan
    above = np.triu(np.isfinite(first), 1)
    expected = np.corrcoef(first[above], second[above])[0, 1]
    assert model_bootstrap([first, second], Consistency(), resamples=50).value == pytest.approx(
        expected
    )
    assert mantel(first, second, n_permutations=19).value == pytest.approx(expected)


@pytest.mark.parametrize("compare", ["pearson", "spearman"])
def test_mantel_rejects_five_percent_of_unrelated_matrices_and_pairs_reject_more(
    compare: str,
) -> None:
    rng = np.random.default_rng(4)
    ours = naive = 0
    for seed in range(200):
        first, second = population(rng, 10, 0.0)
        found = mantel(
            first, second, compare=compare, n_permutations=19, seed=seed, alternative="two-sided"
        )
        ours += found.p_value <= 0.05
        low, high = naive_interval(found.value, 45)
        naive += not low <= 0 <= high
    slack = 3.3 * np.sqrt(0.05 * 0.95 / 200)
    assert abs(ours / 200 - 0.05) < slack
    assert naive / 200 > 0.05 + 2 * slack


def test_mantel_finds_agreement() -> None:
    first, second = population(np.random.default_rng(5), 12, 0.95)
    found = mantel(first, second, n_permutations=199)
    assert found.p_value == 1 / 200
    assert found.value > 0.7
    assert abs(found.null_mean) < 0.1
    above = np.triu_indices(12, 1)
    ranked = mantel(first, second, compare="spearman", n_permutations=19)
    assert ranked.value == pytest.approx(spearmanr(first[above], second[above]).statistic)
    assert mantel(first, -second, n_permutations=199).p_value > 0.9
    assert mantel(first, -second, n_permutations=199, alternative="two-sided").p_value == 1 / 200


def test_groups_differ() -> None:
    rng = np.random.default_rng(6)
    groups = ["a"] * 5 + ["b"] * 5
    same = np.equal.outer(groups, groups)
    noise = rng.standard_normal((10, 10))
    scores = 2.0 * same + (noise + noise.T) / 2
    found = groups_differ(scores, groups, n_permutations=199)
    assert found.p_value <= 0.02
    above = np.triu(np.ones((10, 10), bool), 1)
    assert found.value == pytest.approx(scores[above & same].mean() - scores[above & ~same].mean())
    distance = groups_differ(-scores, groups, kind="distance", n_permutations=199)
    assert distance.value == pytest.approx(found.value)
    assert distance.p_value == found.p_value
    rejected = 0
    for seed in range(200):
        null, _ = population(rng, 10, 0.0)
        rejected += groups_differ(null, groups, n_permutations=19, seed=seed).p_value <= 0.05
    assert rejected / 200 <= 0.05 + 3.3 * np.sqrt(0.05 * 0.95 / 200)


def test_groups_of_many_models_are_drawn() -> None:
    """Of the 462 ways to halve twelve models 99 are drawn: value, p and null by hand."""
    rng = np.random.default_rng(10)
    scores, _ = population(rng, 12, 0.0)
    groups = np.array(list("aababbbaabba"))
    scores += 0.02 * np.equal.outer(groups, groups)

    def difference(labels: np.ndarray) -> float:
        pairs = [(i, j) for j in range(12) for i in range(j)]
        within = [scores[i, j] for i, j in pairs if labels[i] == labels[j]]
        between = [scores[i, j] for i, j in pairs if labels[i] != labels[j]]
        return float(np.mean(within) - np.mean(between))

    drawn = np.random.default_rng(5)
    null = np.array([difference(groups[drawn.permutation(12)]) for _ in range(99)])
    found = groups_differ(scores, list(groups), n_permutations=99, seed=5)
    assert found.value == pytest.approx(difference(groups))
    assert found.p_value == (1 + (null >= found.value - 1e-12).sum()) / 100
    assert 0.01 < found.p_value < 0.5
    assert (found.null_mean, found.null_sd) == pytest.approx((null.mean(), null.std(ddof=1)))
    assert (found.n_permutations, found.smallest_p) == (99, 0.01)


def test_few_models_are_relabelled_in_every_order() -> None:
    """Of the 24 orders of four models, counted by hand; the seed decides nothing."""
    a, b = (np.zeros((4, 4)) for _ in range(2))
    upper = np.triu_indices(4, 1)
    for matrix, values in ((a, [1, 2, 3, 4, 5, 6]), (b, [1, 3, 2, 4, 6, 5])):
        matrix[upper] = values
        matrix += matrix.T
    reached = 0
    for order in permutations(range(4)):
        moved = b[np.ix_(order, order)][upper]
        reached += (
            np.corrcoef(a[upper], moved)[0, 1] >= np.corrcoef(a[upper], b[upper])[0, 1] - 1e-9
        )
    tests = [mantel(a, b, n_permutations=n, seed=s) for n, s in ((24, 0), (999, 1))]
    assert [test.p_value for test in tests] == [reached / 24] * 2
    assert tests[0].n_permutations == 23
    assert tests[0].smallest_p == 1 / 24


def test_bad_input() -> None:
    square = np.eye(6)
    with pytest.raises(TooFewSamplesError, match="3 models are too few"):
        model_bootstrap([np.eye(3)])
    with pytest.raises(InvalidParameterError, match="nothing to permute"):
        groups_differ(square, list("abcdef"))
    with pytest.raises(InvalidParameterError, match="nothing to permute"):
        groups_differ(square, list("aaaaaa"))
    with pytest.raises(InvalidParameterError, match="5 groups were given for 6"):
        groups_differ(square, list("aabbb"))
    with pytest.raises(InvalidParameterError, match="symmetric"):
        mantel(np.arange(36.0).reshape(6, 6), square)
    with pytest.raises(InvalidParameterError, match=r"\(6, 5\)"):
        mantel(square[:, :5], square)
    with pytest.raises(InvalidParameterError, match="6 and 5 models"):
        mantel(square, np.eye(5))
    with pytest.raises(InvalidParameterError, match="compare='kendal'"):
        Consistency("kendal")
    with pytest.raises(InvalidParameterError, match="alternative='less'"):
        mantel(square, square, alternative="less", n_permutations=9)
    no_seed: Any = "x"
    for ask in (
        lambda: mantel(square, square, seed=no_seed),
        lambda: groups_differ(square, list("aaabbb"), seed=no_seed),
        lambda: model_bootstrap([square], seed=no_seed),
    ):
        with pytest.raises(InvalidParameterError, match="seed='x': give a whole number"):
            ask()
    with pytest.raises(InvalidParameterError, match="resamples=0"):
        model_bootstrap([square], resamples=0)
    with pytest.raises(InvalidParameterError, match="n_permutations=0"):
        mantel(square, square, n_permutations=0)


def test_scores_that_do_not_vary_have_no_test() -> None:
    """And no p-value of 1 / (1 + permutations), which they would have without a value."""
    equal, some = np.ones((6, 6)), population(np.random.default_rng(0), 6, 0.0)[0]
    for ask in (
        lambda: mantel(equal, some),
        lambda: mantel(some, equal, n_permutations=19),
        lambda: model_bootstrap([some, equal], Consistency()),
        lambda: model_bootstrap([np.full((6, 6), np.nan)]),
    ):
        with pytest.raises(UndefinedScoreError, match="they do not vary"):
            ask()
    few = np.full((4, 4), np.nan)
    few[[0, 1, 2, 3], [1, 0, 3, 2]] = [0.1, 0.1, 0.4, 0.4]
    with pytest.raises(UndefinedScoreError, match="resamples of the models have a value"):
        model_bootstrap([few], resamples=2)
    with pytest.raises(InvalidParameterError, match="confidence=2"):
        model_bootstrap([some], confidence=2)


def score_matrix(models: list[str], kind: str, seed: int) -> ScoreMatrix:
    tags = {model: {"objective": model[0]} for model in models}
    rng = np.random.default_rng(seed)
    table = models_table(tags, lambda a, b: float(rng.uniform()), kind=kind, measure=f"m_{kind}")
    return square_matrix(table)


def test_tables_know_their_models_and_their_kind() -> None:
    models = [f"{group}{i}" for group in "ab" for i in range(4)]
    first, second = (score_matrix(models, "similarity", seed) for seed in (0, 1))
    found = mantel(first, second, n_permutations=19)
    plain = mantel(first.values.to_numpy(), second.values.to_numpy(), n_permutations=19)
    assert found == plain
    distance = score_matrix(models, "distance", 1)
    with pytest.raises(InvalidParameterError, match="m_distance is a distance where a similarity"):
        mantel(first, distance, n_permutations=19)
    with pytest.raises(InvalidParameterError, match="different models, or of another order"):
        model_bootstrap([first, second.select(models[::-1])], Consistency())
    groups = [model[0] for model in models]
    by_kind = groups_differ(distance, groups, n_permutations=19)
    assert by_kind.value == pytest.approx(
        -groups_differ(distance.values.to_numpy(), groups, n_permutations=19).value
    )
    with pytest.raises(InvalidParameterError, match="kind='similarity', but the scores are"):
        groups_differ(distance, groups, kind="similarity", n_permutations=19)
