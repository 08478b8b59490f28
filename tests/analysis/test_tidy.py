"""Reading tidy tables: checks, slices, models, layers, directions."""

from __future__ import annotations

import pandas as pd
import pytest

from repscape.analysis.tidy import (
    as_tidy,
    both_directions,
    in_order_of_appearance,
    layer_positions,
    model_tags,
    only_measure_of,
    only_slice,
    slices,
    tag_names,
)
from repscape.errors import InvalidParameterError, UnknownNameError
from score_tables import DISTANCE, SIMILARITY, row, synthetic


def test_a_missing_column_is_named_with_its_near_match() -> None:
    table = pd.DataFrame([row("m/1", "m/2", 0.5)]).rename(columns={"value": "values"})
    with pytest.raises(UnknownNameError, match=r"no column 'value'.*did you mean 'values'"):
        as_tidy(table)


def test_optional_columns_are_added_as_nulls() -> None:
    tidy = as_tidy(
        pd.DataFrame(
            {"rep_a": ["x"], "rep_b": ["y"], "measure": ["m"], "kind": ["distance"], "value": [1]}
        )
    )
    assert tidy["value"].dtype == "float64"
    assert tidy[["data", "model_a", "layer_b", "n", "reason"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [("kind", "likeness", "column 'kind' holds 'likeness'"), ("value", "high", "not numeric")],
)
def test_wrong_cells_are_refused(column: str, value: str, message: str) -> None:
    table = pd.DataFrame([row("m/1", "m/2", 0.5)]).astype({"value": object})
    table[column] = value
    with pytest.raises(InvalidParameterError, match=message):
        as_tidy(table)


def test_an_empty_table_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match="no rows"):
        as_tidy(pd.DataFrame([row("m/1", "m/2", 0.5)]).head(0))


def test_slices_keep_measures_apart_in_order_of_appearance() -> None:
    found = list(slices(synthetic()))
    assert [(piece.measure, piece.kind) for piece in found] == [
        (SIMILARITY, "similarity"),
        (DISTANCE, "distance"),
    ]
    assert [len(piece.table) for piece in found] == [1830, 1830]
    assert found[0].context["data"] == "digits"


def test_slices_work_where_the_data_set_is_not_known() -> None:
    table = pd.DataFrame([row("m/1", "m/2", 0.5, data=None, split=None)])
    assert [(piece.data, piece.split) for piece in slices(table)] == [(None, None)]


def test_one_measure_may_not_be_of_two_kinds() -> None:
    table = pd.DataFrame([row("m/1", "m/2", 0.5), row("m/1", "m/3", 0.5, kind="distance")])
    with pytest.raises(InvalidParameterError, match="both a similarity and a distance"):
        list(slices(table))


def test_only_slice_refuses_mixed_measures_and_takes_the_one_named() -> None:
    table = synthetic()
    with pytest.raises(InvalidParameterError, match=r"mixes 2 values of 'measure'.*procrustes"):
        only_slice(table)
    assert only_slice(table, DISTANCE).kind == "distance"
    with pytest.raises(UnknownNameError, match="no measure 'rsa'"):
        only_slice(table, "rsa")


def test_only_slice_refuses_mixed_data_sets() -> None:
    table = pd.DataFrame([row("m/1", "m/2", 0.5), row("m/1", "m/2", 0.5, data="letters")])
    with pytest.raises(InvalidParameterError, match="'digits', 'letters'"):
        only_slice(table)


def test_only_measure_of_refuses_several_measures() -> None:
    with pytest.raises(InvalidParameterError, match="holds 2 such sets"):
        only_measure_of(synthetic())


def test_models_and_tags_are_found_in_order() -> None:
    table = synthetic()
    assert in_order_of_appearance(table, "model")[:2] == [
        "conv-supervised-s0",
        "conv-supervised-s1",
    ]
    assert tag_names(table) == ["objective", "architecture", "seed"]
    tags = model_tags(table)
    assert list(tags.columns) == ["objective", "architecture", "seed"]
    assert tags.loc["vit-simclr-s1"].to_list() == ["simclr", "vit", 1]


def test_a_tag_that_differs_within_a_model_does_not_describe_the_model() -> None:
    table = pd.DataFrame(
        [row("m/1", "m/2", 0.5, width_a=8, width_b=16, seed_a=0, seed_b=0, depth_a=0, depth_b=0)]
    )
    assert list(model_tags(table).columns) == ["seed"]


def test_layers_stand_in_order_of_appearance() -> None:
    positions = layer_positions(synthetic())
    conv = positions[positions["model"] == "conv-simclr-s0"]
    assert conv["layer"].to_list() == ["stem", "stages.0", "stages.1", "stages.2", "head"]
    assert conv["position"].to_list() == [0, 1, 2, 3, 4]
    assert set(conv["layers"]) == {5}


def test_a_depth_tag_decides_the_order_of_layers() -> None:
    depths = {"m/x": 10, "m/y": 9, "m/z": 2}
    pairs = [("m/x", "m/y"), ("m/x", "m/z")]
    table = pd.DataFrame([row(a, b, 0.5, depth_a=depths[a], depth_b=depths[b]) for a, b in pairs])
    assert layer_positions(table)["layer"].to_list() == ["z", "y", "x"]


def test_two_representations_of_one_layer_are_refused() -> None:
    table = pd.DataFrame([row("m/1", "m/2", 0.5), row("m/1", "m/2", 0.6)])
    table.loc[1, "rep_a"] = "m/1 flattened"
    with pytest.raises(InvalidParameterError, match="'m/1' and 'm/1 flattened' are both layer '1'"):
        layer_positions(table)


def test_both_directions_mirrors_what_is_there_once() -> None:
    table = pd.DataFrame([row("a/1", "b/2", 0.5, seed_a=0, seed_b=1), row("a/1", "a/1", 1.0)])
    both = both_directions(table)
    assert both[["rep_a", "rep_b"]].to_numpy().tolist() == [
        ["a/1", "b/2"],
        ["a/1", "a/1"],
        ["b/2", "a/1"],
    ]
    mirrored = both.iloc[2]
    assert (mirrored["model_a"], mirrored["layer_b"], mirrored["seed_a"]) == ("b", "1", 1)


def test_both_directions_leaves_an_asymmetric_pair_alone() -> None:
    table = pd.DataFrame([row("a/1", "b/2", 0.5), row("b/2", "a/1", 0.25)])
    assert both_directions(table)["value"].to_list() == [0.5, 0.25]
    assert len(both_directions(table.head(1), symmetric=False)) == 1
