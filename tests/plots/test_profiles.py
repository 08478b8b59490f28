"""Figures of geometry draw what the table says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from repscape.errors import InvalidParameterError, UnknownNameError
from repscape.plots.profiles import (
    imbalance_plane_figure,
    profile_figure,
    profile_panels,
    scale_figure,
)

GRIDE = "gride[largest=8]@1"
OVERLAP = "label_overlap[k=10]@1"
VALUES = {"a": [3.0, 8.0, 5.0], "b": [4.0, np.nan, 6.0]}


@pytest.fixture
def table() -> pd.DataFrame:
    rows = []
    for model, values in VALUES.items():
        for layer, value in enumerate(values):
            place = {"model": model, "rep": f"{model}:{layer}", "depth": layer / 2}
            # A layer without a value has one row, which says why.
            for step, scale in enumerate((2.0, 4.0, 8.0) if value == value else (np.nan,)):
                rows.append(
                    {
                        **place,
                        "descriptor": GRIDE,
                        "quantity": "dimension",
                        "scale_kind": "neighbour rank",
                        "scale": scale,
                        "value": value - 0.1 * step,
                        "standard_error": 0.25,
                        "chosen": step == 1,
                        "chance": np.nan,
                        "control": None,
                    }
                )
            rows.append(
                {
                    **place,
                    "descriptor": OVERLAP,
                    "quantity": "label overlap",
                    "scale_kind": "neighbour rank",
                    "scale": 10.0,
                    "value": value / 10,
                    "standard_error": 0.01,
                    "chosen": True,
                    "chance": 0.2,
                    "control": None,
                }
            )
    control = [{**row, "control": "shuffled", "value": 2 * row["value"]} for row in rows[:12]]
    return pd.DataFrame(rows + control)


def lines(figure, style: str) -> list[list[float]]:
    found = [line for line in figure.axes[0].lines if line.get_linestyle() == style]
    return [list(line.get_ydata()) for line in found if len(line.get_ydata()) == 3]


def test_a_line_for_every_model_and_control(table):
    figure = profile_figure(table, GRIDE)
    assert lines(figure, "-")[0] == pytest.approx([2.9, 7.9, 4.9])
    assert lines(figure, "-")[1] == pytest.approx([3.9, np.nan, 5.9], nan_ok=True)
    assert lines(figure, ":")[0] == pytest.approx([5.8, 15.8, 9.8])
    assert "neighbour rank 4" in figure.axes[0].get_title(loc="left").replace("\n", "")
    assert figure.axes[0].get_xlabel() == "relative depth l / l_last"
    assert figure.axes[0].get_ylabel() == "dimension"


def test_the_band_is_one_standard_error(table):
    figure = profile_figure(table[table["control"].isna()], GRIDE)
    vertices = figure.axes[0].collections[0].get_paths()[0].vertices
    assert vertices[:, 1].max() == pytest.approx(7.9 + 0.25)
    assert vertices[:, 1].min() == pytest.approx(2.9 - 0.25)


def test_the_line_of_chance(table):
    figure = profile_figure(table, OVERLAP)
    flat = [line for line in figure.axes[0].lines if list(line.get_ydata()) == [0.2, 0.2]]
    assert len(flat) == 1


def test_marks_are_named(table):
    marks = pd.DataFrame({"descriptor": [GRIDE], "mark": ["peak"], "depth": [0.5], "value": [7.9]})
    texts = [text.get_text() for text in profile_figure(table, GRIDE, marks).axes[0].texts]
    assert texts == ["peak"]


def test_curves_over_scales(table):
    figure = scale_figure(table, GRIDE)
    drawn = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 3]
    assert len(drawn) == 5  # one layer has no values
    assert list(drawn[1].get_ydata()) == pytest.approx([8.0, 7.9, 7.8])
    vertical = [line for line in figure.axes[0].lines if list(line.get_xdata()) == [4.0, 4.0]]
    assert len(vertical) == 1
    figure.draw_without_rendering()
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert {"2", "4", "8"} <= set(labels)


def test_names_of_layers_beside_a_curve_are_whole_and_name_one_model_never(table):
    long = table.assign(rep=table["rep"].str.replace("a:", "a:transformer.blocks.input_norm."))
    one = long[long["model"] == "a"]
    figures = [scale_figure(long, GRIDE), scale_figure(one, GRIDE)]
    for figure in figures:
        figure.draw_without_rendering()
        edges = [legend.get_window_extent().x1 for legend in figure.axes[1].artists]
        assert max(edges) <= figure.bbox.x1
    legend = figures[1].axes[1].artists[0]
    assert legend.get_texts()[0].get_text() == "transformer.blocks.input_norm.0"


def test_what_cannot_be_drawn_is_refused(table):
    with pytest.raises(InvalidParameterError, match="choose one of"):
        profile_figure(table)
    with pytest.raises(UnknownNameError, match="gride"):
        profile_figure(table, "grid")
    with pytest.raises(InvalidParameterError, match="no curve over scales"):
        scale_figure(table, OVERLAP)
    with pytest.raises(InvalidParameterError, match="no depths"):
        profile_figure(table.assign(depth=np.nan), GRIDE)


def test_the_plane_of_imbalances():
    scores = pd.DataFrame(
        {
            "rep_a": ["l0", "l1", "l0"],
            "rep_b": ["l1", "l0", "l2"],
            "measure": ["information_imbalance[k=1]@1"] * 3,
            "value": [0.2, 0.7, 0.5],
        }
    )
    figure = imbalance_plane_figure(scores)
    [points] = figure.axes[0].collections
    assert points.get_offsets().tolist() == [[0.2, 0.7]]
    assert figure.axes[0].texts[0].get_text() == "l0, l1"
    with pytest.raises(InvalidParameterError, match="both directions"):
        imbalance_plane_figure(scores[2:])


def test_panels_share_one_axis_of_depth(table):
    figure = profile_panels(table)
    panels = [axes for axes in figure.axes if axes.get_ylabel()]
    assert [axes.get_ylabel() for axes in panels] == ["dimension", "label overlap"]
    for axes, name in zip(panels, (GRIDE, OVERLAP), strict=True):
        rows = table[(table["descriptor"] == name) & (table["model"] == "a") & table["chosen"]]
        rows = rows[rows["control"].isna()]
        assert list(axes.get_lines()[0].get_xdata()) == [0.0, 0.5, 1.0]
        assert list(axes.get_lines()[0].get_ydata()) == rows["value"].to_list()
        assert axes.get_shared_x_axes().joined(axes, panels[0])
    assert [bool(axes.get_xlabel()) for axes in panels] == [False, True]
    [lower] = [axes for axes in profile_panels(table, [OVERLAP]).axes if axes.get_ylabel()]
    assert lower.get_xlabel()
