from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch

import repscape
from repscape.errors import (
    InvalidParameterError,
    TooFewSamplesError,
    UndefinedNullError,
)
from repscape.measures.base import get_measure
from repscape.significance.intervals import jackknife, kept_rows, subsampling


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def mean_of(x: torch.Tensor):
    return lambda rows: float(x[rows].mean())


@pytest.mark.parametrize("method", [jackknife, subsampling])
def test_the_interval_of_a_mean_covers_it(method) -> None:
    """Where the standard error of the mean is known."""
    generator = torch.Generator().manual_seed(0)
    covered, errors = 0, []
    for seed in range(300):
        x = torch.randn(60, generator=generator, dtype=torch.float64)
        found = method(mean_of(x), 60, float(x.mean()), 0.9, seed)
        covered += found.low <= 0.0 <= found.high
        errors.append(found.standard_error)
    assert np.mean(errors) == pytest.approx(1 / math.sqrt(60), rel=0.07)
    assert abs(covered / 300 - 0.9) < 0.06


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    """Leaving out one of 20 in turn gives s/√n exactly."""
    x = torch.arange(20, dtype=torch.float64) ** 2
    found = jackknife(mean_of(x), 20, float(x.mean()))
    assert found.standard_error == pytest.approx(float(x.std()) / math.sqrt(20))
    assert found.high - found.low == pytest.approx(2 * 2.093024 * found.standard_error, rel=1e-6)


def test_subsampling_turns_and_scales_the_deviations_of_halves() -> None:
    """Of seven samples halves are three: √(3/4) of the deviations of their means, turned round."""
    x = torch.tensor([0.0, 0.1, 0.2, 0.4, 1.0, 3.0, 9.0], dtype=torch.float64)
    value = float(x.mean())
    found = subsampling(mean_of(x), 7, value, 0.9, seed=2)
    means = np.array([float(x[rows].mean()) for rows in kept_rows("subsampling", 7, 2)])
    deviations = math.sqrt(3 / 4) * (means - means.mean())
    low, high = np.quantile(deviations, [0.05, 0.95])
    assert (found.low, found.high) == pytest.approx((value - high, value - low))
    assert found.standard_error == pytest.approx(deviations.std(ddof=1))
    assert found.high - value != pytest.approx(value - found.low, rel=0.1)


def test_the_bootstrap_turns_the_quantiles_of_resampled_scores() -> None:
    rng = np.random.default_rng(8)
    x, y = (torch.from_numpy(v) for v in rng.standard_normal((2, 12, 3)))
    measure = get_measure("rsa[rdm=euclidean,compare_by=pearson]")
    value = float(repscape.compare(x, y, measure))
    rows = torch.randint(0, 12, (100, 12), generator=torch.Generator().manual_seed(4))
    counts = torch.stack([torch.bincount(row, minlength=12) for row in rows])
    scores = measure.resampled_scores(measure.prepare(x), measure.prepare(y), counts).numpy()
    low, high = np.quantile(scores, [0.025, 0.975])
    found = repscape.compare(x, y, measure, interval="bootstrap", seed=4)
    assert found.interval == pytest.approx((2 * value - high, 2 * value - low))
    assert found.standard_error == pytest.approx(scores.std(ddof=1))


@pytest.mark.parametrize("method", ["jackknife", "subsampling", "bootstrap"])
def test_intervals_of_rsa_cover_the_population(method: str) -> None:
    """The population value is that of very many samples."""
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((4, 5))

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.standard_normal((n, 4))
        return x, x @ mixing + 2.0 * rng.standard_normal((n, 5))

    name = "rsa[rdm=euclidean,compare_by=pearson]"
    truth = float(repscape.compare(*draw(4000), name))
    repeats, covered = 60, 0
    for seed in range(repeats):
        low, high = repscape.compare(*draw(60), name, interval=method, seed=seed).interval
        covered += low <= truth <= high
    assert covered / repeats > 0.83


def self_pairs_raise() -> tuple[float, float]:
    """Mutual nearest neighbours of independent data, plain and with resampled duplicates."""
    rng = np.random.default_rng(0)
    plain, resampled = [], []
    for _ in range(5):
        x, y = rng.standard_normal((2, 500, 10))
        rows = rng.integers(0, 500, 500)
        plain.append(float(repscape.compare(x, y, "mutual_knn[k=10]")))
        resampled.append(float(repscape.compare(x[rows], y[rows], "mutual_knn[k=10]")))
    return float(np.mean(plain)), float(np.mean(resampled))


def test_duplicates_look_like_similarity() -> None:
    """Which is why a bootstrap of a measure that cannot drop them is refused."""
    plain, resampled = self_pairs_raise()
    assert plain == pytest.approx(10 / 499, abs=0.005)
    assert resampled > 0.1
    x, y = np.random.default_rng(0).standard_normal((2, 50, 4))
    with pytest.raises(UndefinedNullError, match=r"mutual_knn.*copies.*interval='jackknife'"):
        repscape.compare(x, y, "mutual_knn", interval="bootstrap")


def test_dropping_self_pairs_keeps_independent_data_at_chance() -> None:
    rng = np.random.default_rng(1)
    x, y = (torch.from_numpy(v) for v in rng.standard_normal((2, 80, 5)))
    measure = get_measure("rsa[rdm=euclidean]")
    a, b = measure.prepare(x), measure.prepare(y)
    rows = rng.integers(0, 80, (40, 80))
    counts = torch.from_numpy(np.stack([np.bincount(row, minlength=80) for row in rows]))
    dropped = measure.resampled_scores(a, b, counts)
    kept = [measure.compare(measure.prepare(x[row]), measure.prepare(y[row])) for row in rows]
    assert abs(float(dropped.mean())) < 0.05
    assert np.mean(kept) > 0.03
    assert np.mean(kept) > float(dropped.mean()) + 0.03


@pytest.mark.parametrize("compare_by", ["pearson", "spearman", "cosine"])
@pytest.mark.parametrize("rdm", ["euclidean", "correlation"])
def test_resampled_scores_equal_the_list_of_pairs(compare_by: str, rdm: str) -> None:
    """The definition: write out every pair of different samples as often as it occurs."""
    from scipy.stats import pearsonr, spearmanr

    rng = np.random.default_rng(2)
    x, y = rng.integers(-2, 3, (2, 14, 4)) + 0.0
    x[:, 0] += np.arange(14) % 5
    y[:, 0] += np.arange(14) % 3
    x[0, 3], y[0, 3] = 7.0, 9.0
    measure = get_measure(f"rsa[rdm={rdm},compare_by={compare_by}]")
    a, b = (measure.prepare(torch.from_numpy(v)) for v in (x, y))
    rows = rng.integers(0, 14, 14)
    counts = torch.from_numpy(np.bincount(rows, minlength=14))[None]
    pairs = [(i, j) for s, i in enumerate(rows) for j in rows[:s] if i != j]

    def distances(v: np.ndarray) -> np.ndarray:
        if rdm == "euclidean":
            return np.array([np.linalg.norm(v[i] - v[j]) for i, j in pairs])
        return np.round([1 - np.corrcoef(v[i], v[j])[0, 1] for i, j in pairs], 12)

    first, second = distances(x), distances(y)
    if compare_by == "cosine":
        expected = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
    else:
        function = pearsonr if compare_by == "pearson" else spearmanr
        expected = function(first, second).statistic
    found = float(measure.resampled_scores(a, b, counts)[0])
    assert found == pytest.approx(expected, abs=1e-9)


def test_precomputed_matrices_lose_rows_and_columns() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((2, 40, 5))
    grams = [v @ v.T for v in (x - x.mean(0), y - y.mean(0))]
    given = repscape.compare(*grams, "cka[kernel=precomputed]", interval="jackknife")
    direct = repscape.compare(x, y, "cka", interval="jackknife")
    assert given.interval == pytest.approx(direct.interval, abs=1e-9)


def test_the_interval_is_printed_and_reproducible() -> None:
    x = np.random.default_rng(4).standard_normal((60, 5))
    y = x + np.random.default_rng(5).standard_normal((60, 5))
    score = repscape.compare(x, y, interval="subsampling", confidence=0.9, seed=1)
    low, high = score.interval
    assert low < score.value < high
    assert f"90% interval {low:.4g} … {high:.4g} by subsampling" in str(score)
    assert repscape.compare(x, y, interval="subsampling", confidence=0.9, seed=1) == score
    wide = repscape.compare(x, y, interval="jackknife", confidence=0.99)
    narrow = repscape.compare(x, y, interval="jackknife", confidence=0.5)
    assert wide.interval[0] < narrow.interval[0] < narrow.interval[1] < wide.interval[1]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"interval": "jacknife"}, InvalidParameterError, "did you mean 'jackknife'"),
        ({"interval": "jackknife", "confidence": 1.0}, InvalidParameterError, "confidence=1.0"),
        ({"interval": "bootstrap"}, UndefinedNullError, "copies"),
        (
            {"interval": "subsampling", "measure": "mutual_knn[k=20]"},
            TooFewSamplesError,
            "half of 30 samples",
        ),
        (
            {"interval": "jackknife", "measure": "mutual_knn[k=29]"},
            TooFewSamplesError,
            "leaves out 2 of 30",
        ),
    ],
)
def test_bad_input(arguments: dict, error: type[Exception], message: str) -> None:
    x, y = np.random.default_rng(6).standard_normal((2, 30, 4))
    with pytest.raises(error, match=message):
        repscape.compare(x, y, **arguments)


def test_an_interval_beyond_the_range_says_so_and_is_not_clipped() -> None:
    """Six samples are too few; what matches itself perfectly lies on the end of the range."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 6, 4))
    few = repscape.compare(x, y, "cka", interval="jackknife")
    assert few.interval is not None
    assert few.interval[0] < -1.0 or few.interval[1] > 1.0
    assert few.interval_reason is not None
    assert "beyond the range of the measure, -1 to 1" in few.interval_reason
    assert few.interval_reason in str(few)
    table = repscape.similarity_matrix({"x": x, "y": y}, "cka", interval="jackknife").table
    [row] = table[(table["rep_a"] == "x") & (table["rep_b"] == "y")].to_dict("records")
    assert (row["interval_low"], row["interval_high"]) == pytest.approx(few.interval)
    assert row["interval_reason"] == few.interval_reason
    many = rng.normal(size=(60, 4))
    assert repscape.compare(many, many, "cka", interval="jackknife").interval_reason is None
