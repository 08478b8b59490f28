"""All figures of a table."""

from __future__ import annotations

import pandas as pd

from repscape.plots.figures import figures_for
from score_tables import SIMILARITY, row, synthetic, with_null


def test_every_figure_of_every_measure_has_a_file_name() -> None:
    names = list(figures_for(synthetic()))
    assert names == [
        f"{stem}_{measure}"
        for measure in ("cka-kernel-linear-debiased-true-1", "procrustes-statistic-angle-1")
        for stem in ("models", "map", "pairs", "layers")
    ]


def test_representations_without_models() -> None:
    table = pd.DataFrame(
        {
            "rep_a": ["x.npy"],
            "rep_b": ["y.npy"],
            "measure": ["cka@1"],
            "kind": ["similarity"],
            "value": [0.4],
        }
    )
    assert list(figures_for(table)) == ["representations_cka-1"]


def test_two_models_without_tags() -> None:
    assert list(figures_for(pd.DataFrame([row("a/l", "b/l", 0.5, measure="cka@1")]))) == [
        "models_cka-1"
    ]


def test_data_sets_and_like_names_are_told_apart() -> None:
    rows = [
        row("a/l", "b/l", 0.5, measure="a[x]", data="one set"),
        row("a/l", "b/l", 0.5, measure="a(x)", data="one set"),
        row("a/l", "b/l", 0.5, measure="a[x]", data=None),
    ]
    assert list(figures_for(pd.DataFrame(rows))) == [
        "models_one-set_a-x",
        "models_one-set_a-x_2",
        "models_none_a-x",
    ]


def test_scores_that_are_all_missing_are_drawn_as_missing() -> None:
    table = pd.DataFrame([row("a/l", f"{name}/l", None, measure="m") for name in "bcd"])
    figures = figures_for(table)
    assert list(figures) == ["models_m", "map_m"]
    for figure in figures.values():
        figure.canvas.draw()


def test_a_table_with_a_null_is_drawn_on_both_scales() -> None:
    table = with_null(synthetic())
    table = table[table["measure"] == SIMILARITY]
    stems = [name.partition("_cka")[0] for name in figures_for(table)]
    assert stems == ["models", "models_effect", "map", "pairs", "layers", "layers_effect"]
