"""Which factor groups the networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from repscape.analysis.groups import group_effects, grouping_factors, pair_differences
from repscape.errors import InvalidParameterError, UnknownNameError
from score_tables import models_table

SQUARE: dict[str, dict[str, Any]] = {
    f"{kind}{seed}": {"kind_of_net": kind, "seed": seed} for kind in "xy" for seed in (0, 1)
}


def additive(a: str, b: str) -> float:
    """0.2, plus 0.5 for the same kind of net, plus 0.1 for the same seed."""
    return 0.2 + 0.5 * (a[0] == b[0]) + 0.1 * (a[1] == b[1])


def effects_of(table: pd.DataFrame, **options: Any) -> pd.DataFrame:
    return group_effects(table, **options).set_index("factor")


def test_every_number_of_a_two_by_two_design() -> None:
    found = effects_of(models_table(SQUARE, additive))
    kind, seed = found.loc["kind_of_net"], found.loc["seed"]
    # Six pairs: 0.7 twice (kind shared), 0.3 twice (seed shared), 0.2 twice (nothing shared).
    assert (kind["levels"], kind["pairs_same"], kind["pairs_different"]) == (2, 2, 4)
    assert kind["mean_same"] == pytest.approx(0.7)
    assert kind["mean_different"] == pytest.approx(0.25)
    assert kind["difference"] == pytest.approx(0.45)
    assert (kind["pairs_only"], kind["mean_only"]) == (2, pytest.approx(0.3))
    assert seed["mean_only"] == pytest.approx(0.7)
    assert seed["difference"] == pytest.approx(-0.15)
    # Held apart by the regression, the factors have the effects they were made with.
    assert kind["effect"] == pytest.approx(0.5)
    assert seed["effect"] == pytest.approx(0.1)
    # Sums of squares: 0.28 in all, 0.27 by kind alone, 0.03 by seed alone.
    assert kind["share"] == pytest.approx((0.27 + (0.28 - 0.03)) / 2 / 0.28)
    assert seed["share"] == pytest.approx((0.03 + (0.28 - 0.27)) / 2 / 0.28)
    assert kind["share_all"] == seed["share_all"] == pytest.approx(1)
    assert found["reason"].isna().all()


def test_distances_give_the_same_answers_with_the_sign_turned() -> None:
    near = effects_of(models_table(SQUARE, additive))
    far = effects_of(models_table(SQUARE, lambda a, b: 1 - additive(a, b), kind="distance"))
    for column in ("difference", "effect", "share", "share_all"):
        np.testing.assert_allclose(near[column], far[column])
    np.testing.assert_allclose(near["mean_same"], 1 - far["mean_same"])


def test_shares_sum_to_the_share_of_all() -> None:
    generator = np.random.default_rng(3)
    tags = {f"m{i}": {"p": i % 2, "q": i % 3, "r": i // 6 % 2} for i in range(12)}
    found = effects_of(models_table(tags, lambda a, b: float(generator.uniform())))
    assert found["share"].sum() == pytest.approx(found["share_all"].iloc[0])
    assert (found["share"] >= 0).all()


def test_factors_that_cannot_be_told_apart_have_no_effect() -> None:
    tags = {name: own | {"library": own["kind_of_net"]} for name, own in SQUARE.items()}
    found = effects_of(models_table(tags, additive))
    for name in ("kind_of_net", "library"):
        assert np.isnan(found.loc[name, "effect"])
        assert found.loc[name, "reason"] == "cannot be told from the other factors in these pairs"
        assert np.isnan(found.loc[name, "mean_only"])
        assert found.loc[name, "pairs_only"] == 0
    assert found.loc["kind_of_net", "share"] == pytest.approx(found.loc["library", "share"])
    assert found.loc["seed", "effect"] == pytest.approx(0.1)


def test_equal_scores_have_no_shares() -> None:
    found = effects_of(models_table(SQUARE, lambda a, b: 0.3))
    np.testing.assert_allclose(found["effect"], 0, atol=1e-12)
    assert found["share"].isna().all()
    assert set(found["reason"]) == {"all pairs have the same score"}


def test_pairs_without_a_score_are_left_out() -> None:
    found = effects_of(
        models_table(SQUARE, lambda a, b: None if "x0" in (a, b) else additive(a, b))
    )
    assert found.loc["seed", ["pairs_same", "pairs_different"]].to_list() == [1, 2]


def test_a_table_without_scores_says_so() -> None:
    found = effects_of(models_table(SQUARE, lambda a, b: None))
    assert set(found["reason"]) == {"no pair has a score"}
    assert found[["effect", "share", "mean_same"]].isna().all(axis=None)


def test_only_tags_that_can_group_are_factors() -> None:
    tags = {
        name: own | {"constant": 1, "unique": name, "partial": None if name == "x0" else "p"}
        for name, own in SQUARE.items()
    }
    assert grouping_factors(models_table(tags, additive)) == ["kind_of_net", "seed"]


def test_pair_differences_names_the_factors() -> None:
    pairs = pair_differences(models_table(SQUARE, additive))
    assert pairs["differs_in"].to_list() == [
        "seed",
        "kind_of_net",
        "kind_of_net + seed",
        "kind_of_net + seed",
        "kind_of_net",
        "seed",
    ]
    assert pairs["differences"].to_list() == [1, 1, 2, 2, 1, 1]
    assert set(pair_differences(models_table(SQUARE, additive), ["seed"])["differs_in"]) == {
        "seed",
        "nothing",
    }


def test_unknown_and_incomplete_factors_are_refused() -> None:
    table = models_table(SQUARE, additive)
    with pytest.raises(UnknownNameError, match=r"no tag 'seeds'.*did you mean 'seed'"):
        group_effects(table, ["seeds"])
    tags = {
        name: own | {"seed": own["seed"] if name != "y1" else None} for name, own in SQUARE.items()
    }
    with pytest.raises(UnknownNameError, match="model 'y1' has no value of the tag 'seed'"):
        group_effects(models_table(tags, additive), ["seed"])
    with pytest.raises(InvalidParameterError, match="13 factors are too many"):
        group_effects(table, ["seed"] * 13)
