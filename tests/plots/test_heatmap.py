"""The heat map of models."""

from __future__ import annotations

import numpy as np
import pandas as pd

from repscape.analysis.chance import calibrated, judge
from repscape.analysis.clustering import cluster
from repscape.analysis.matrices import square_matrix
from repscape.plots.heatmap import heatmap
from score_tables import CHANCE, row, with_null


def test_cells_hold_the_scores_in_clustered_order(scores: pd.DataFrame) -> None:
    matrix = square_matrix(scores)
    clustering = cluster(matrix)
    figure = heatmap(scores, clustering)
    main = figure.axes[0]
    order = list(clustering.order)
    assert [label.get_text() for label in main.get_yticklabels()] == order
    assert [label.get_text() for label in main.get_xticklabels()] == order
    drawn = np.ma.filled(main.images[0].get_array().astype(float), np.nan)
    np.testing.assert_array_equal(drawn, matrix.values.loc[order, order])


def test_brighter_is_more_alike(scores: pd.DataFrame) -> None:
    image = heatmap(scores).axes[0].images[0]
    low, high = (image.to_rgba(np.array([value]))[0, :3].mean() for value in image.get_clim())
    alike_is_high = scores["kind"].iloc[0] == "similarity"
    assert (high > low) == alike_is_high


def test_the_colour_bar_names_the_measure_and_its_direction(scores: pd.DataFrame) -> None:
    figure = heatmap(scores)
    labels = [axes.get_ylabel() for outer in figure.axes for axes in (outer, *outer.child_axes)]
    (label,) = [text for text in labels if "more alike" in text]
    assert label.replace("\n", "").startswith(scores["measure"].iloc[0])
    towards = "higher" if scores["kind"].iloc[0] == "similarity" else "lower"
    assert label.endswith(f"{towards} = more alike")


def test_missing_cells_are_hatched(scores: pd.DataFrame) -> None:
    figure = heatmap(scores)
    hatched = sum(
        len(cells.get_paths()) for cells in figure.axes[0].collections if cells.get_hatch()
    )
    assert hatched == 2 * int(scores["value"].isna().sum())
    legends = [text.get_text() for axes in figure.axes for text in legend_texts(axes)]
    assert ("no score" in legends) == bool(scores["value"].isna().any())


def test_strips_show_the_factors_of_the_models(scores: pd.DataFrame) -> None:
    figure = heatmap(scores, cluster(square_matrix(scores)))
    strips = [axes for axes in figure.axes if len(axes.patches) == 12 and not axes.images]
    assert [axes.get_yticklabels()[0].get_text() for axes in strips] == [
        "architecture",
        "objective",
    ]
    assert len({patch.get_facecolor() for patch in strips[0].patches}) == 3


def test_numbers_are_written_into_small_matrices_only(scores: pd.DataFrame) -> None:
    numbers = [text.get_text() for text in heatmap(scores).axes[0].texts]
    assert len(numbers) == 132 - 2 * int(scores["value"].isna().sum())
    assert f"{scores['value'].dropna().iloc[0]:.2f}" in numbers
    many = pd.DataFrame([row("m0/l", f"m{i}/l", 0.5) for i in range(1, 20)])
    assert not heatmap(many).axes[0].texts


def test_many_layers_have_thinned_labels(layers: pd.DataFrame) -> None:
    axes = heatmap(layers, by="rep").axes[0]
    assert axes.images[0].get_array().shape == (60, 60)
    assert len(axes.get_yticklabels()) == 60
    many = pd.DataFrame([row("m/0", f"m/{i}", 0.5) for i in range(1, 130)])
    assert len(heatmap(many, by="rep").axes[0].get_yticklabels()) == 44


def test_a_dollar_sign_in_a_name_is_no_formula() -> None:
    table = pd.DataFrame([row("$a_{/l", "b$^x/l", 0.5)])
    figure = heatmap(table)
    figure.canvas.draw()
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["$a_{", "b$^x"]


def test_cells_at_chance_have_a_marked_corner(scores: pd.DataFrame) -> None:
    judged = judge(with_null(scores))
    chance = int((~judged["distinguishable"].astype("boolean").fillna(True)).sum())
    figure = heatmap(judged)
    (marks,) = [c for c in figure.axes[0].collections if not c.get_hatch()]
    assert len(marks.get_paths()) == 2 * chance > 0
    corners = [path.vertices[:3].mean(axis=0) for path in marks.get_paths()]
    values = square_matrix(judged).values.to_numpy()
    marked = values[[round(y) for _, y in corners], [round(x) for x, _ in corners]]
    alike = marked if judged["kind"].iloc[0] == "similarity" else np.cos(marked)
    assert (alike <= CHANCE + 1e-12).all()
    assert "not distinguishable\nfrom chance" in [
        text.get_text() for axes in figure.axes for text in legend_texts(axes)
    ]
    assert not [c for c in heatmap(scores).axes[0].collections if not c.get_hatch()]


def test_the_calibrated_scale_is_drawn_from_effects(scores: pd.DataFrame) -> None:
    judged = judge(with_null(scores))
    image = heatmap(calibrated(judged)).axes[0].images[0]
    drawn = np.ma.filled(image.get_array().astype(float), np.nan)
    index = square_matrix(judged).beside["effect"].to_numpy()
    np.testing.assert_array_equal(drawn, index)
    low, high = (image.to_rgba(np.array([value]))[0, :3].mean() for value in image.get_clim())
    assert high > low


def test_no_number_is_minus_zero() -> None:
    table = pd.DataFrame([row("a/l", "b/l", -0.001)])
    assert [text.get_text() for text in heatmap(table).axes[0].texts] == ["0.00", "0.00"]


def legend_texts(axes: object) -> list[object]:
    from matplotlib.legend import Legend

    legends = [child for child in axes.get_children() if isinstance(child, Legend)]  # type: ignore[attr-defined]
    return [text for legend in legends for text in legend.get_texts()]
