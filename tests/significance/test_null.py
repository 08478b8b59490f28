from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import repscape
from repscape import Representation, compare_layers, similarity_matrix
from repscape.errors import (
    InvalidParameterError,
    MemoryLimitError,
    TooFewSamplesError,
    UndefinedNullError,
)
from repscape.measures.base import get_measure
from repscape.representation import Origin
from repscape.significance.null import Null, null_of, p_value
from repscape.significance.permutations import Permutations
from repscape.tables import NULL_COLUMNS, SIMILARITY_COLUMNS

LIMIT = 2**30


def related(n: int = 60, d: int = 8, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, d))
    return x, x @ rng.standard_normal((d, d)) + noise * rng.standard_normal((n, d))


def test_p_value_counts_ties_and_the_score_itself() -> None:
    null = np.array([0.1, 0.5, 0.3, 0.7])
    assert p_value(0.5, null, "similarity") == 3 / 5
    assert p_value(0.5, null, "distance") == 4 / 5
    assert p_value(0.9, null, "similarity") == 1 / 5
    assert p_value(0.5, null + 1e-14, "similarity") == p_value(0.5, null - 1e-14, "similarity")


def test_randomised_ties_make_p_uniform_where_all_scores_are_equal() -> None:
    rng = np.random.default_rng(0)
    drawn = np.sort([p_value(1.0, np.ones(9), "similarity", ties=rng) for _ in range(2000)])
    distance = np.abs(drawn - (np.arange(2000) + 0.5) / 2000).max()
    assert distance < 1.63 / math.sqrt(2000)  # Kolmogorov-Smirnov at 1 %
    assert p_value(1.0, np.ones(9), "similarity") == 1.0


def test_effect_runs_from_chance_to_perfect() -> None:
    null = np.array([0.1, 0.3])
    assert Null(0.2, null, "similarity", 1.0).effect == pytest.approx(0.0)
    assert Null(1.0, null, "similarity", 1.0).effect == 1.0
    assert Null(0.6, null, "similarity", 1.0, expected=0.1).effect == pytest.approx(0.5 / 0.9)
    assert Null(0.1, null, "distance", 0.0).effect == pytest.approx(0.5)
    unbounded = Null(0.6, null, "similarity", math.inf)
    assert unbounded.effect is None
    assert "no best value" in unbounded.effect_reason
    saturated = Null(1.0, np.ones(3), "similarity", 1.0)
    assert saturated.effect is None
    assert "chance alone" in saturated.effect_reason


def test_closed_form_is_the_mean_and_the_sampled_one_stays() -> None:
    null = Null(0.5, np.array([0.1, 0.3]), "similarity", 1.0, expected=0.19)
    assert null.mean == 0.19
    assert null.sampled_mean == pytest.approx(0.2)
    assert null.sd == pytest.approx(math.sqrt(0.02))
    assert Null(0.5, np.array([0.1]), "similarity", 1.0).sd is None


@pytest.mark.parametrize("name", ["cka", "mutual_knn", "procrustes", "rsa", "linear_regression"])
def test_compare_states_its_null(name: str) -> None:
    x, y = related()
    plain = repscape.compare(x, y, name)
    score = repscape.compare(x, y, name, null="permutation", n_permutations=99, seed=1)
    assert score.value == plain.value
    assert plain.p_value is None
    assert score.p_value == 0.01
    assert score.n_permutations == 99
    assert 0 < score.effect < 1
    assert list(score.quantiles) == [0.05, 0.5, 0.95, 0.99]
    text = str(score)
    assert "p = 0.01" in text
    assert f"effect {score.effect:.4g}" in text
    assert f"chance {score.null_mean:.4g}" in text
    again = repscape.compare(x, y, name, null="permutation", n_permutations=99, seed=1)
    assert again == score
    other = repscape.compare(x, y, name, null="permutation", n_permutations=99, seed=2)
    assert other.sampled_mean != score.sampled_mean


def test_a_null_takes_no_notice_of_the_transforms_order_of_samples() -> None:
    """A permutation of prepared states is one of the values: transforms are not applied anew."""
    x, y = related()
    order = Permutations(60, 1, seed=7).orders[0]
    score = repscape.compare(
        x, y, "zscore|unit_rows|cka", null="permutation", n_permutations=1, seed=7
    )
    moved = repscape.compare(x, y[order.numpy()], "zscore|unit_rows|cka")
    assert score.sampled_mean == pytest.approx(float(moved), abs=1e-12)


def test_groups_restrict_the_null() -> None:
    """Two representations that share nothing but the class of a sample."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 25)
    x, y = (5 * rng.standard_normal((4, 6))[labels] + rng.standard_normal((100, 6)) for _ in "xy")
    arguments = {"measure": "cka", "null": "permutation", "n_permutations": 99}
    free = repscape.compare(x, y, **arguments)
    within = repscape.compare(x, y, groups=labels, **arguments)
    assert free.p_value == 0.01
    assert within.p_value > 0.05
    assert free.expected == 0.0
    assert within.expected is None
    assert within.null_mean > 0.5 * within.value


def test_a_table_of_nulls() -> None:
    x, y = related()
    z = np.random.default_rng(1).standard_normal((60, 5))
    constant = np.ones((60, 2))
    found = repscape.similarity_matrix(
        {"x": x, "y": y, "z": z, "constant": constant},
        ["cka", "procrustes", "magnitude_difference", "pwcca"],
        null="permutation",
        n_permutations=99,
    ).table
    assert list(found.columns) == [*SIMILARITY_COLUMNS, *NULL_COLUMNS]
    rows = found.set_index(["measure", "rep_a", "rep_b"])
    for name in ("cka", "procrustes", "pwcca"):
        full = get_measure(name).name
        for other, alike in (("y", True), ("z", False)):
            row = rows.loc[(full, "x", other)]
            score = repscape.compare(
                x, {"y": y, "z": z}[other], name, null="permutation", n_permutations=99
            )
            assert row["value"] == pytest.approx(score.value, rel=1e-12)
            assert row["p_value"] == score.p_value
            assert (row["p_value"] == 0.01) == alike
            assert row["effect"] == pytest.approx(score.effect)
        undefined = rows.loc[(full, "x", "constant")]
        assert np.isnan(undefined["p_value"])
        assert undefined["null_reason"] == undefined["reason"]
    sizes = rows.loc[(get_measure("magnitude_difference").name, "x", "y")]
    assert sizes["value"] > 0
    assert np.isnan(sizes["p_value"])
    assert "no permutation null" in sizes["null_reason"]
    plain = repscape.similarity_matrix({"x": x, "y": y}, "cka").table
    assert list(plain.columns) == list(SIMILARITY_COLUMNS)


def test_a_small_budget_gives_the_same_table() -> None:
    rng = np.random.default_rng(0)
    many = {str(i): rng.standard_normal((100, 3)) for i in range(6)}
    arguments = {"measures": "rsa", "null": "permutation", "n_permutations": 19}
    whole = repscape.similarity_matrix(many, **arguments).table
    parts = repscape.similarity_matrix(many, memory_limit="800KiB", **arguments).table
    np.testing.assert_allclose(parts["null_mean"], whole["null_mean"])
    np.testing.assert_allclose(parts["null_sd"], whole["null_sd"], rtol=1e-9)
    assert parts["p_value"].tolist() == whole["p_value"].tolist()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"null": "bootstrap"}, InvalidParameterError, "null='bootstrap'.*'permutation'"),
        ({"n_permutations": 0}, InvalidParameterError, "at least 1"),
        ({"groups": [0, 1]}, InvalidParameterError, "groups has 2 entries"),
        ({"groups": list(range(60))}, InvalidParameterError, "nothing to permute"),
        ({"measure": "magnitude_difference"}, UndefinedNullError, "no permutation null"),
    ],
)
def test_bad_input(arguments: dict, error: type[Exception], message: str) -> None:
    x, y = related()
    with pytest.raises(error, match=message):
        repscape.compare(x, y, **({"null": "permutation"} | arguments))


def test_few_samples_and_little_memory_are_refused() -> None:
    x, y = related(5, 3)
    with pytest.raises(TooFewSamplesError, match=r"smallest p-value.*1/120"):
        repscape.compare(x, y, null="permutation")
    measure = get_measure("cka[kernel=rbf]")
    a, b = (measure.prepare(torch.from_numpy(v)) for v in related(400, 300))
    with pytest.raises(MemoryLimitError, match=r"two matrices of 400×400.*at most"):
        null_of(measure, a, b, Permutations(400, 9), 10**6)


def test_layers_of_two_models_may_interleave() -> None:
    """The maximum over their layer pairs has its null all the same, and it is that of the map."""
    rng = np.random.default_rng(4)
    order = [("a", "0"), ("b", "0"), ("a", "1"), ("b", "1"), ("b", "2")]
    reps = {
        model + layer: Representation(
            rng.normal(size=(30, 4)), origin=Origin(model=model, layer=layer)
        )
        for model, layer in order
    }
    settings = {"null": "permutation", "n_permutations": 19, "seed": 3}
    table = similarity_matrix(reps, "cka", **settings).table
    across = table[table["model_a"] != table["model_b"]]
    assert across["p_max"].notna().all()
    sides = [{n: r for n, r in reps.items() if n[0] == side} for side in "ab"]
    whole = compare_layers(*sides, "cka", n_permutations=19, seed=3).table
    expected = {
        (a, b): p for a, b, p in zip(whole.layer_a, whole.layer_b, whole.p_max, strict=True)
    }
    for row in across.itertuples():
        pair = (row.rep_a, row.rep_b) if row.model_a == "a" else (row.rep_b, row.rep_a)
        assert row.p_max == expected[pair]
