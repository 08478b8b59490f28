"""The pairs of models whose layers are drawn."""

from __future__ import annotations

import pandas as pd

from repscape.analysis.examples import ANY_PAIR, example_pairs
from score_tables import SIMILARITY, design, row, synthetic


def test_pairs_differ_in_one_factor_and_cover_the_design() -> None:
    table = synthetic()
    pairs = example_pairs(table[table["measure"] == SIMILARITY])
    assert pairs["differs_in"].to_list() == ["seed"] * 3 + ["objective"] * 3 + ["architecture"] * 3
    tags = design()
    for a, b, factor in pairs.to_numpy(dtype=str):
        differing = [name for name in tags[a] if tags[a][name] != tags[b][name]]
        assert differing == [factor]
    seeds = pairs[pairs["differs_in"] == "seed"]["model_a"]
    assert {tags[name]["architecture"] for name in seeds} == {"conv", "mlp", "vit"}


def test_without_tags_any_pairs_are_taken() -> None:
    table = pd.DataFrame([row("a/0", "b/0", 0.1), row("a/0", "c/0", 0.1), row("b/0", "c/0", 0.1)])
    pairs = example_pairs(table, per_factor=2)
    assert len(pairs) == 2
    assert set(pairs["differs_in"]) == {ANY_PAIR}


def test_one_model_has_no_pairs() -> None:
    assert example_pairs(pd.DataFrame([row("a/0", "a/1", 0.1)])).empty
