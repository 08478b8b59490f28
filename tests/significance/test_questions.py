from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

import repscape
from repscape.errors import InvalidParameterError, SampleMismatchError, TooFewSamplesError
from repscape.significance.questions import closer, dependence_on_n


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def triple(rng: np.random.Generator, noise_b: float, noise_c: float, n: int = 60):
    a = rng.standard_normal((n, 5))
    b = a + noise_b * rng.standard_normal((n, 5))
    return a, b, a + noise_c * rng.standard_normal((n, 5))


@pytest.mark.parametrize("measure", ["cka", "procrustes", "mutual_knn[k=5]", "rsa"])
def test_the_closer_one_is_found(measure: str) -> None:
    a, b, c = triple(np.random.default_rng(0), 0.3, 2.0)
    found = closer(a, b, c, measure, n_permutations=99)
    assert found.difference > 0
    assert found.p_value < 0.01
    assert found.interval.low > 0
    assert found.calibrated_difference > 0
    swapped = closer(a, c, b, measure, n_permutations=99)
    assert swapped.difference == pytest.approx(-found.difference)
    assert swapped.p_value == pytest.approx(1 - found.p_value, abs=1e-6)


@pytest.mark.parametrize("measure", ["cka", "mutual_knn[k=5]"])
def test_equally_close_ones_are_told_apart_in_five_percent(measure: str) -> None:
    """And the permutations, whose null is that A resembles neither, err more often by CKA."""
    rng = np.random.default_rng(1)
    paired = permuted = 0
    for seed in range(120):
        a, b, c = triple(rng, 1.0, 1.0, n=40)
        found = closer(a, b, c, measure, n_permutations=19, seed=seed)
        paired += found.p_value <= 0.05
        permuted += found.p_chance <= 0.05
    assert paired / 120 <= 0.05 + 3.3 * np.sqrt(0.05 * 0.95 / 120)
    if measure == "cka":
        assert permuted / 120 > 0.12


def test_width_does_not_count_as_closeness_once_calibrated() -> None:
    """Biased CKA favours the wider of two unrelated representations."""
    rng = np.random.default_rng(2)
    a, wide, narrow = (rng.standard_normal((50, d)) for d in (20, 400, 5))
    found = closer(a, wide, narrow, "cka[debiased=false]", n_permutations=99)
    assert found.difference > 0.2
    assert abs(found.calibrated_difference) < 0.05


def test_a_difference_of_nothing() -> None:
    a, b, _ = triple(np.random.default_rng(3), 1.0, 1.0)
    found = closer(a, b, b, "cka", n_permutations=19)
    assert found.difference == 0.0
    assert found.p_value == 1.0
    assert found.p_chance == 1.0


def test_mutual_neighbours_fall_with_n_and_their_effect_less() -> None:
    rng = np.random.default_rng(4)
    x = rng.standard_normal((400, 6))
    y = x + 0.8 * rng.standard_normal((400, 6))
    table = dependence_on_n(x, y, "mutual_knn", repeats=4, n_permutations=19)
    assert table["n"].tolist() == [50, 100, 200, 400]
    assert table["value"].is_monotonic_decreasing
    assert table["null_mean"].to_numpy() == pytest.approx(10 / (table["n"].to_numpy() - 1))
    assert (table["p_value"] == 0.05).all()
    assert table["subsets"].tolist() == [4, 4, 4, 1]
    cka = dependence_on_n(x, y, "cka", sizes=[60, 400], repeats=4, n_permutations=19)
    assert cka["value"].iloc[0] == pytest.approx(cka["value"].iloc[1], abs=0.1)
    # Chance gives 0 and a perfect match 1, so the effect is the score, that of all the subsets.
    assert cka["effect"].tolist() == pytest.approx(cka["value"].tolist(), rel=1e-12)
    assert cka["first_value"].iloc[0] != pytest.approx(cka["value"].iloc[0], rel=1e-6)


def test_the_null_is_that_of_the_first_subset() -> None:
    """With one subset its score is the score, on the samples that were drawn."""
    a, b, _ = triple(np.random.default_rng(7), 1.0, 1.0)
    [row] = dependence_on_n(a, b, "cka", [20], repeats=1, n_permutations=19).to_dict("records")
    assert row["first_value"] == pytest.approx(row["value"], rel=1e-12)
    assert row["value"] != pytest.approx(float(repscape.compare(a[:20], b[:20])), rel=1e-3)


def test_bad_input() -> None:
    a, b, c = triple(np.random.default_rng(5), 1.0, 1.0)
    with pytest.raises(SampleMismatchError, match=r"c \(59 samples\)"):
        closer(a, b, c[:59])
    with pytest.raises(InvalidParameterError, match=r"confidence=2: it lies between 0 and 1"):
        closer(a, b, c, confidence=2)
    with pytest.raises(InvalidParameterError, match="sizes holds 99, but there are 60"):
        dependence_on_n(a, b, sizes=[20, 99])
    with pytest.raises(TooFewSamplesError, match="sizes holds 8"):
        dependence_on_n(a, b, "mutual_knn", sizes=[8])


def test_an_asymmetric_measure_looks_from_a() -> None:
    a, b, c = triple(np.random.default_rng(6), 0.5, 1.5)
    found = closer(a, b, c, "linear_regression", n_permutations=19)
    assert found.value_b == pytest.approx(float(repscape.compare(a, b, "linear_regression")))
    assert found.value_c == pytest.approx(float(repscape.compare(a, c, "linear_regression")))
