"""Scores of layers that are matched by their place, at their depth in the networks."""

from __future__ import annotations

import pandas as pd
import pytest

from repscape.analysis.by_depth import COLUMNS, scores_by_depth

LAYERS = {"a": ["block.0", "block.3"], "b": ["block.1", "final_norm"], "c": ["block.0"]}
DEPTHS = {"a": [0.25, 1.0], "b": [0.5, 1.0], "c": [0.25]}


def scores() -> pd.DataFrame:
    names = [(model, layer) for model, layers in LAYERS.items() for layer in layers]
    rows = [
        {
            "rep_a": f"{a}:{x}",
            "rep_b": f"{b}:{y}",
            "model_a": a,
            "model_b": b,
            "layer_a": x,
            "layer_b": y,
            "data": "prose",
            "measure": "cka",
            "kind": "similarity",
            "value": 0.1 * (LAYERS[a].index(x) + 1) + 0.01 * LAYERS[b].index(y),
            "null_mean": 0.05,
        }
        for at, (a, x) in enumerate(names)
        for b, y in names[at + 1 :]
    ]
    return pd.DataFrame(rows)


def representations() -> pd.DataFrame:
    rows = [
        {"data": "prose", "model": model, "layer": layer, "depth": depth}
        for model, layers in LAYERS.items()
        for layer, depth in zip(layers, DEPTHS[model], strict=True)
    ]
    return pd.DataFrame(rows)


def test_layers_of_one_place_are_averaged_and_stand_at_their_depth() -> None:
    table = scores_by_depth(scores(), representations())
    assert list(table.columns) == list(COLUMNS)
    assert table["place"].tolist() == [1, 2]
    assert table["pairs"].tolist() == [1, 1]  # c has another number of layers
    assert table["mean"].tolist() == pytest.approx([0.1, 0.21])
    assert table["depth"].tolist() == pytest.approx([0.375, 1.0])
    assert table["depth_low"].tolist() == [0.25, 1.0]
    assert table["depth_high"].tolist() == [0.5, 1.0]


@pytest.mark.parametrize("known", ["no table", "no column", "one not known"])
def test_where_a_depth_is_not_known_there_is_none_and_the_scores_stay(known: str) -> None:
    there = representations()
    if known == "one not known":
        there.loc[there["layer"] == "block.1", "depth"] = None
    given = {"no table": None, "no column": there.drop(columns="depth"), "one not known": there}
    table = scores_by_depth(scores(), given[known])
    assert table["mean"].tolist() == pytest.approx([0.1, 0.21])
    assert table["depth"].isna().tolist() == [True, known != "one not known"]
    assert table["depth"].dtype == "float64"
