"""One score per pair of models."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from repscape.analysis.model_scores import as_model_scores, has_layers, model_scores
from repscape.errors import InvalidParameterError
from score_tables import SIMILARITY, row, synthetic

# Model a has three layers, b two; s(a.i, b.j) = (10 i + j) / 100.
LAYERED = pd.DataFrame(
    [
        row("a/0", "a/1", 0.9),
        row("a/1", "a/2", 0.9),
        *(row(f"a/{i}", f"b/{j}", (10 * i + j) / 100) for i in range(3) for j in range(2)),
    ]
)


def test_last() -> None:
    found = model_scores(LAYERED, "last")
    assert len(found) == 1
    first = found.iloc[0]
    assert (first["layer_a"], first["layer_b"], first["value"]) == ("2", "1", 0.21)
    assert (first["rep_a"], first["layer_pairs"], first["n"]) == ("a/2", 1, 100)


def test_matched_depth_mean() -> None:
    # Depths 0 and 1 of b meet depths 0 and 2 of a.
    first = model_scores(LAYERED, "matched_depth_mean").iloc[0]
    assert first["value"] == pytest.approx((0.00 + 0.21) / 2)
    assert first["layer_pairs"] == 2
    assert pd.isna(first["layer_a"])
    assert first["sample_digest"] == "0" * 16


def test_most_alike_follows_the_direction_of_the_measure() -> None:
    near = model_scores(LAYERED, "most_alike").iloc[0]
    assert (near["value"], near["layer_a"], near["layer_b"], near["layer_pairs"]) == (
        0.21,
        "2",
        "1",
        6,
    )
    far = model_scores(LAYERED.assign(kind="distance"), "most_alike").iloc[0]
    assert (far["value"], far["layer_a"], far["layer_b"]) == (0.0, "0", "0")


def test_pairs_given_in_either_direction_count_alike() -> None:
    swap = {f"{s}_a": f"{s}_b" for s in ("rep", "model", "layer")}
    swap |= {new: old for old, new in swap.items()}
    turned = LAYERED.copy()
    chosen = turned.index % 2 == 1
    turned.loc[chosen, list(swap)] = LAYERED.loc[chosen, list(swap.values())].to_numpy()
    for rule in ("last", "matched_depth_mean", "most_alike"):
        expected = model_scores(LAYERED, rule)["value"]
        np.testing.assert_allclose(model_scores(turned, rule)["value"], expected)


def test_an_asymmetric_measure_gives_two_rows() -> None:
    back = [row(f"b/{j}", f"a/{i}", (10 * i + j) / 1000) for i in range(3) for j in range(2)]
    table = pd.concat([LAYERED, pd.DataFrame(back)])
    found = model_scores(table, "last", symmetric=False)
    assert found[["model_a", "model_b"]].to_numpy().tolist() == [["a", "b"], ["b", "a"]]
    assert found["value"].to_list() == [0.21, 0.021]


def test_missing_scores_are_null_with_a_reason() -> None:
    table = LAYERED.copy()
    table.loc[table["rep_a"] == "a/2", ["value", "reason"]] = [np.nan, "constant features"]
    last = model_scores(table, "last").iloc[0]
    assert np.isnan(last["value"])
    assert last["reason"] == "constant features"
    matched = model_scores(table, "matched_depth_mean").iloc[0]
    assert np.isnan(matched["value"])
    assert matched["reason"] == "1 of 2 matched layer pairs have no score"
    assert model_scores(table, "most_alike").iloc[0]["value"] == 0.11
    absent = LAYERED[LAYERED["layer_a"] != "2"]
    table = pd.concat([absent, pd.DataFrame([row("a/2", "a/0", 0.5)])])
    last = model_scores(table, "last").iloc[0]
    assert last["reason"] == "the table has no score for the layers that the rule compares"
    assert last["layer_pairs"] == 0


def test_measures_are_kept_apart_and_tags_stay() -> None:
    found = model_scores(synthetic())
    assert found.groupby("measure").size().to_list() == [66, 66]
    assert {"objective_a", "architecture_b", "seed_a"} <= set(found.columns)
    near = found[found["measure"] == SIMILARITY].set_index(["model_a", "model_b"])["value"]
    far = found[found["measure"] != SIMILARITY].set_index(["model_a", "model_b"])["value"]
    np.testing.assert_allclose(np.cos(far), near)


def test_models_with_one_layer_each() -> None:
    table = pd.DataFrame([row("a/l", "b/m", 0.5)])
    for rule in ("last", "matched_depth_mean", "most_alike"):
        assert model_scores(table, rule)["value"].to_list() == [0.5]
    assert not has_layers(table)
    assert has_layers(LAYERED)


def test_a_table_of_models_is_taken_as_it_is() -> None:
    table = pd.DataFrame([row("a/l", "b/m", 0.5, layer_a=None, layer_b=None)])
    assert as_model_scores(table, "last") is table


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match=r"unknown rule 'mostalike'.*'most_alike'"):
        model_scores(LAYERED, "mostalike")  # type: ignore[arg-type]
