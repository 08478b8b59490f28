"""Layer identification between networks that differ in their seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from repscape.analysis.layer_identification import identification_accuracy, layer_identification
from repscape.errors import UnknownNameError
from score_tables import SIMILARITY, row, synthetic

TAGS = {"architecture_a": "mlp", "architecture_b": "mlp", "seed_a": 0, "seed_b": 1}


def twins(scores: Sequence[Sequence[float | None]], **columns: object) -> pd.DataFrame:
    """Two seeds of one network; ``scores[i][j]`` compares their layers i and j."""
    return pd.DataFrame(
        [
            row(f"s0/l{i}", f"s1/l{j}", value, **(TAGS | columns))
            for i, line in enumerate(scores)
            for j, value in enumerate(line)
        ]
    )


def test_both_directions_are_counted_apart() -> None:
    # Rows find 0, 0, 2; columns find 0, 1, 2.
    scores = [[0.9, 0.2, 0.1], [0.8, 0.7, 0.2], [0.1, 0.3, 0.6]]
    found = layer_identification(twins(scores))
    assert found[["model_a", "model_b"]].to_numpy().tolist() == [["s0", "s1"], ["s1", "s0"]]
    assert found["correct"].to_list() == [2, 3]
    assert found["counted"].to_list() == [3, 3]
    np.testing.assert_allclose(found["accuracy"], [2 / 3, 1])
    np.testing.assert_allclose(found["chance"], 1 / 3)
    assert found["architecture"].to_list() == ["mlp", "mlp"]


def test_distances_are_smallest_for_the_same_layer() -> None:
    scores = [[0.1, 0.9], [0.9, 0.2]]
    assert layer_identification(twins(scores, kind="distance"))["correct"].to_list() == [2, 2]
    assert layer_identification(twins(scores))["correct"].to_list() == [0, 0]


def test_a_tie_is_a_failure() -> None:
    found = layer_identification(twins([[0.9, 0.9], [0.1, 0.9]]))
    assert found["correct"].to_list() == [1, 1]
    assert found["tied"].to_list() == [1, 1]


def test_layers_with_missing_scores_are_not_counted() -> None:
    found = layer_identification(twins([[0.9, None], [0.1, 0.8]]))
    assert found["counted"].to_list() == [1, 1]
    assert found["undefined"].to_list() == [1, 1]
    assert found["accuracy"].to_list() == [1, 1]
    nothing = layer_identification(twins([[None, None], [None, None]]))
    assert nothing["accuracy"].isna().all()
    assert nothing["reason"].to_list() == ["no layer has all the scores that it needs"] * 2


def test_networks_with_different_layers_are_not_judged() -> None:
    found = layer_identification(twins([[0.9, 0.1, 0.1], [0.1, 0.8, 0.1]]))
    assert found["accuracy"].isna().all()
    assert set(found["reason"]) == {"only one of the two has layer 'l2'"}


def test_only_twins_are_compared() -> None:
    table = synthetic()
    found = layer_identification(table)
    assert len(found) == 2 * 6 * 2
    assert found["accuracy"].to_list() == [1.0] * 24
    other = layer_identification(table, same=("architecture",), differ="objective")
    assert len(other) == 2 * 3 * 8
    assert layer_identification(twins([[0.9]], seed_b=0)).empty


def test_networks_of_other_architectures_are_no_twins_though_each_has_its_own() -> None:
    table = twins([[0.9, 0.1], [0.2, 0.8]], architecture_b="cnn")
    found = layer_identification(table)
    assert len(found) == 0
    assert len(identification_accuracy(found, ["architecture"])) == 0


def test_an_unknown_tag_is_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"no tag 'sed'.*did you mean 'seed'"):
        layer_identification(twins([[0.9]]), differ="sed")


def test_accuracy_is_pooled_over_layers() -> None:
    pooled = identification_accuracy(layer_identification(synthetic()), ("architecture",))
    first = pooled[pooled["measure"] == SIMILARITY].set_index("architecture")
    assert first["counted"].to_dict() == {"conv": 20, "mlp": 16, "vit": 24}
    assert first["pairs"].to_dict() == {"conv": 4, "mlp": 4, "vit": 4}
    overall = identification_accuracy(layer_identification(synthetic())).iloc[0]
    assert (overall["correct"], overall["counted"]) == (60, 60)
    # Twelve ordered pairs, each of which guessing solves one layer of.
    assert overall["chance"] == pytest.approx(12 / 60)


def test_accuracy_of_nothing_counted_is_null() -> None:
    pooled = identification_accuracy(layer_identification(twins([[None]])))
    assert pooled["counted"].to_list() == [0]
    assert pooled[["accuracy", "chance"]].isna().all(axis=None)
