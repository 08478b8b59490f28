"""The grids of layers against layers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from repscape.analysis.examples import example_pairs
from repscape.analysis.layer_matrices import layer_matrix
from repscape.plots.arrangement import WITHIN_MODEL
from repscape.plots.layer_grids import layer_heatmaps
from score_tables import SIMILARITY, synthetic


def test_one_panel_per_pair_in_rows_of_one_factor(layers: pd.DataFrame) -> None:
    pairs = example_pairs(layers)
    figure = layer_heatmaps(layers, pairs)
    panels = [axes for axes in figure.axes if axes.images]
    assert len(panels) == len(pairs) == 9
    for axes, (a, b) in zip(panels, pairs[["model_a", "model_b"]].to_numpy(), strict=True):
        assert (axes.get_ylabel(), axes.get_xlabel()) == (a, b)
        drawn = np.ma.filled(axes.images[0].get_array().astype(float), np.nan)
        np.testing.assert_array_equal(drawn, layer_matrix(layers, a, b).values)
        assert axes.images[0].origin == "lower"
    titles = [axes.get_title("left") for axes in panels]
    assert titles[::3] == [
        "differ in seed only",
        "differ in objective only",
        "differ in architecture only",
    ]
    assert len({axes.images[0].get_clim() for axes in panels}) == 1


def test_missing_cells_are_hatched_and_explained() -> None:
    table = synthetic()
    table = table[table["measure"] == SIMILARITY]
    pairs = pd.DataFrame(
        [("mlp-simclr-s1", "vit-simclr-s1", "architecture")],
        columns=["model_a", "model_b", "differs_in"],
    )
    figure = layer_heatmaps(table, pairs)
    (cells,) = figure.axes[0].collections
    assert cells.get_hatch()
    assert len(cells.get_paths()) == 6
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["no score"]


def test_deep_models_have_readable_labels() -> None:
    table = synthetic(deep=40)
    names = ["conv-supervised-s0", "conv-supervised-s1"]
    table = table[
        (table["measure"] == SIMILARITY)
        & table["model_a"].isin(names)
        & table["model_b"].isin(names)
    ]
    axes = layer_heatmaps(table, example_pairs(table)).axes[0]
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == [f"blocks.{i}" for i in range(0, 40, 4)]


def test_a_layer_with_itself_is_no_missing_score() -> None:
    table = synthetic()
    table = table[(table["measure"] == SIMILARITY) & (table["model_a"] == "mlp-simclr-s1")]
    table = table[table["model_b"] == "mlp-simclr-s1"]
    table = table[table["layer_a"] != table["layer_b"]]
    assert len(table)
    within = pd.DataFrame(
        [("mlp-simclr-s1", "mlp-simclr-s1", WITHIN_MODEL)],
        columns=["model_a", "model_b", "differs_in"],
    )
    figure = layer_heatmaps(table, within)
    assert not figure.axes[0].collections
    assert not figure.legends
    assert (figure.axes[0].get_ylabel(), figure.axes[0].get_xlabel()) == ("", "mlp-simclr-s1")
